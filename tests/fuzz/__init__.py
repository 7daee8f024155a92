# SPDX-License-Identifier: Apache-2.0
"""Fuzzing of everything that reads what others wrote: it raises its own errors, and nothing else. `make fuzz`."""
