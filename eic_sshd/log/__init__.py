# SPDX-License-Identifier: Apache-2.0
"""Records of decisions, and the destinations that `[log]` sets."""
