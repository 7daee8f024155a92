# SPDX-License-Identifier: Apache-2.0
"""What was asked of the sandbox, as events of AWS CloudTrail."""
