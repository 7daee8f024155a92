# SPDX-License-Identifier: Apache-2.0
"""Records of decisions: the destinations that `[log]` sets, and reading them back with sshd's own lines."""
