# SPDX-License-Identifier: Apache-2.0
"""Paths, unit names and the account that are the same on every machine."""

from __future__ import annotations

ACCOUNT = "eic-sshd"
SOCKET_UNIT = "eic-sshd.socket"
SERVICE_UNIT = "eic-sshd.service"

SSHD = "/usr/sbin/sshd"
SSHD_CONFIG = "/etc/ssh/sshd_config"
SSHD_DROP_INS = "/etc/ssh/sshd_config.d"
SOCKET_DROP_IN = "/etc/systemd/system/eic-sshd.socket.d/60-chain.conf"
# From when sshd first reads our lines until it has read its configuration without them. An interrupted `disable` may
# have removed the lines and not reloaded sshd.
RELOADED_NOTE = "/var/lib/eic-sshd/sshd-was-told"
FOLDERS_NOTE = "/var/lib/eic-sshd/made-folders"
LOCK = "/run/eic-sshd.lock"
# What sshd runs: its AuthorizedKeysCommand.
CLIENT_COMMAND = "/usr/lib/eic-sshd/authorized-keys"
COMMAND_LINE_TOOL = "/usr/bin/eic-sshd"
OUR_CONFIG = "/etc/eic-sshd/eic-sshd.conf"
SOCKET = "/run/eic-sshd/authorize.sock"
