# SPDX-License-Identifier: Apache-2.0
"""eic-sshd: an AuthorizedKeysCommand for EC2 Instance Connect."""

__version__ = "0.1.0"
