# SPDX-License-Identifier: Apache-2.0
"""What the demo, the tests and the benchmarks share. No package contains it."""
