# SPDX-License-Identifier: Apache-2.0
"""Values and pure functions: no I/O, no clock, no third-party import."""
