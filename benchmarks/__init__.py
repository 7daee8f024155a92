# SPDX-License-Identifier: Apache-2.0
"""Benchmarks (`make bench`): every case of one run, as ratios to the start of Python on the same machine."""
