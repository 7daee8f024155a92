# SPDX-License-Identifier: Apache-2.0
"""Calls and tunnels as events of AWS CloudTrail."""
