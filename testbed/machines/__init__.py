# SPDX-License-Identifier: Apache-2.0
"""Debian machines that are booted in containers, as EC2 instances."""
