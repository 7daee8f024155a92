# SPDX-License-Identifier: Apache-2.0
"""A site that has an AuthorizedKeysCommand of its own: a script that prints its own keys."""

from __future__ import annotations

from testbed.machines.client import USER, Key
from testbed.machines.machine import Machine

COMMAND = "/usr/local/lib/site-keys"
DROP_IN = "/etc/ssh/sshd_config.d/10-site.conf"
_FOLDER = "/usr/local/share/site-keys"
_SCRIPT = f"""#!/bin/sh
# site-keys USER: its keys, unless {_FOLDER}/mode says otherwise.
mode=$(cat {_FOLDER}/mode)
case $mode in
    fail) exit 3 ;;
    hang) exec sleep 30 ;;
esac
exec cat {_FOLDER}/keys-"$1"
"""
SETTINGS = f"AuthorizedKeysCommand {COMMAND} %u\nAuthorizedKeysCommandUser nobody\n"


def put_command(machine: Machine, key: Key, user: str = USER) -> None:
    """The script, and `key` as the site's key for `user`."""
    machine.write(COMMAND, _SCRIPT, 0o755)
    machine.write(f"{_FOLDER}/keys-{user}", f"{key.line}\n")
    set_mode(machine, "work")


def set_mode(machine: Machine, mode: str) -> None:
    """`work`, `fail` or `hang`."""
    machine.write(f"{_FOLDER}/mode", f"{mode}\n")


def put(machine: Machine, key: Key, path: str = DROP_IN) -> None:
    """The script, and the lines at `path` that make a running sshd ask it."""
    put_command(machine, key)
    before = machine.read(path) if machine.exists(path) else ""
    machine.write(path, before + SETTINGS)
    machine.reload_sshd()
