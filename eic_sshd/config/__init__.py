# SPDX-License-Identifier: Apache-2.0
"""eic-sshd.conf: what may be set, and reading it."""
