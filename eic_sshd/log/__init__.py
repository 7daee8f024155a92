# SPDX-License-Identifier: Apache-2.0
"""Records of decisions, and writing them where `[log]` says."""
