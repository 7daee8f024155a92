# SPDX-License-Identifier: Apache-2.0
"""Names that are the same on every machine: the daemon's units, and the account that sshd runs eic-sshd as."""

from __future__ import annotations

ACCOUNT = "eic-sshd"
SOCKET_UNIT = "eic-sshd.socket"
SERVICE_UNIT = "eic-sshd.service"
