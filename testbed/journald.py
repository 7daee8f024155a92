# SPDX-License-Identifier: Apache-2.0
"""A journald of its own, in a mount namespace with a /run and /var/log of its own.

It runs as the journald of a namespace (systemd-journald@.service): such a one leaves the kernel's log and audit alone.
To the programs in the mount namespace it is the machine's journald.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import Iterator, List, Mapping, Optional, Sequence

from . import waiting
from .namespaces import as_uid, die_with_parent

Fields = Mapping[str, str]
"""The fields of one entry."""

_PROGRAM = "/usr/lib/systemd/systemd-journald"
# Writes groups of entries, each from a process of its own, in the journal's native protocol
# (systemd.io/JOURNAL_NATIVE_PROTOCOL), with other entries after each; prints the processes' ids.
_WRITER = """
import json, os, socket, sys, time
groups, between = json.load(sys.stdin)
sent, sending = os.pipe()
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def send(fields):
    entry = "".join(f"{name}={value}\\n" for name, value in fields.items()).replace("@PID@", str(os.getpid()))
    sender.sendto(entry.encode(), "/run/systemd/journal/socket")
pids = []
for group in groups:
    pids.append(os.fork())
    if pids[-1] == 0:
        for fields in group:
            send(fields)
        os.write(sending, b".")
        time.sleep(0.3)  # journald looks at the process
        os._exit(0)
    os.read(sent, 1)
    for fields in between:
        send(fields)
if any(os.waitpid(pid, 0)[1] for pid in pids):
    sys.exit("a writer failed")
print(*pids)
"""
_SCRIPT = """
mount -t tmpfs -o mode=755 tmpfs "$1"
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
        """The command line that runs `command` where this is the journald, and in its network, as `uid`."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", *(as_uid(uid, command) if uid else command)]

    def run(self, *command: str, uid: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `command` there, and wait for its end."""
        return subprocess.run(
            self.command(command, uid), input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def write(self, groups: Sequence[Sequence[Fields]], between: Sequence[Fields] = (), uid: int = 0) -> List[int]:
        """Write each group of entries in a process of `uid`, and `between` after each. Returns the processes' ids.

        `@PID@` in a value is that id.
        """
        # The program is no argument, since each entry has the command line of its process.
        command = self.command(["/usr/bin/python3", "-c", "exec(eval(input()))"], uid)
        given = f"{_WRITER!r}\n{json.dumps([groups, between])}"
        done = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, timeout=300, check=True)
        self.sync()
        return [int(line) for line in done.stdout.split()]

    def sync(self) -> None:
        """Wait until everything that was written is in the journal's files."""
        self.run("journalctl", "--namespace=testbed", "--sync").check_returncode()


@contextlib.contextmanager
def journald(over: str = "/run", within: Sequence[str] = ()) -> Iterator[Journald]:
    """A journald that ends with the block.

    `over` is the folder, /run or /run/systemd, in whose place it has an empty one; `within` is a command that runs
    another, such as nsenter(1).
    """
    command = [*within, "unshare", "--mount", "--propagation", "private", "sh", "-euc", _SCRIPT, _PROGRAM, over]
    with subprocess.Popen(die_with_parent(command), stderr=subprocess.DEVNULL) as process:
        try:
            socket = f"/proc/{process.pid}/root/run/systemd/journal.testbed/socket"
            waiting.until(lambda: os.path.exists(socket), "journald listens")
            yield Journald(process.pid)
        finally:
            process.kill()
