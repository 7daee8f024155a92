# SPDX-License-Identifier: Apache-2.0
"""Who calls an AWS API, and what the caller may do."""
