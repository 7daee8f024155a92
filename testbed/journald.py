# SPDX-License-Identifier: Apache-2.0
"""A journald of its own, in a mount namespace with a /run and /var/log of its own.

It runs as the journald of a namespace (systemd-journald@.service): such a one leaves the kernel's log and audit alone.
To the programs in the mount namespace it is the machine's journald.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import Iterator, Optional, Sequence

from . import waiting
from .namespaces import as_uid, die_with_parent

_PROGRAM = "/usr/lib/systemd/systemd-journald"
_SCRIPT = """
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p /run/systemd/journal.testbed /var/log/journal
ln -s journal.testbed /run/systemd/journal
ln -s "$(cat /etc/machine-id).testbed" "/var/log/journal/$(cat /etc/machine-id)"
exec "$0" testbed
"""


def unsupported() -> Optional[str]:
    """Why there can be none here, or None."""
    if os.geteuid() != 0:
        return "not root"
    if not os.path.exists(_PROGRAM):
        return f"{_PROGRAM} is missing"
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return None if file.read().strip() else "/etc/machine-id is empty"
    except OSError as error:
        return f"/etc/machine-id: {error.strerror}"


class Journald:
    """A running one; `pid` is its process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def command(self, command: Sequence[str], uid: int = 0) -> Sequence[str]:
        """The command line that runs `command` where this is the journald, as `uid`."""
        return ["nsenter", f"--target={self.pid}", "--mount", *(as_uid(uid, command) if uid else command)]

    def run(self, *command: str, uid: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `command` there, and wait for its end."""
        return subprocess.run(
            self.command(command, uid), input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def sync(self) -> None:
        """Wait until everything that was written is in the journal's files."""
        self.run("journalctl", "--namespace=testbed", "--sync").check_returncode()


@contextlib.contextmanager
def journald() -> Iterator[Journald]:
    """A journald that ends with the block."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _SCRIPT, _PROGRAM]
    with subprocess.Popen(die_with_parent(command), stderr=subprocess.DEVNULL) as process:
        try:
            socket = f"/proc/{process.pid}/root/run/systemd/journal.testbed/socket"
            waiting.until(lambda: os.path.exists(socket), "journald listens")
            yield Journald(process.pid)
        finally:
            process.kill()
