# SPDX-License-Identifier: Apache-2.0
"""The machine that this process runs on: its hardware, its files, its libraries."""
