# SPDX-License-Identifier: Apache-2.0
"""The sshds that wait for connections on this machine, whoever started them (proc(5), cgroups(7))."""

from __future__ import annotations

import os
import re
from typing import Iterator, NamedTuple, Optional


class Listener(NamedTuple):
    """An sshd that goes by its configuration until it is told to read it again; `unit` is the service it runs in."""

    pid: int
    unit: Optional[str]


def listeners(proc: str) -> Iterator[Listener]:
    """Those that look at the same root as we do: not those of containers, nor, from a chroot, the host's."""
    for name in sorted(os.listdir(proc)) if os.path.isdir(proc) else ():
        process = os.path.join(proc, name)
        try:
            if name.isdigit() and _waits_for_connections(process) and os.path.samefile(f"{process}/root", "/"):
                yield Listener(int(name), _unit(process))
        except OSError:
            continue  # it has ended meanwhile


def _waits_for_connections(process: str) -> bool:
    """One that serves a connection, or tests a configuration, would end by the signal that has this one read anew.

    sshd says so itself, in its title (sshd.c: `sshd: PROGRAM OPTIONS [listener] ...`, OpenSSH 8.2 and later).
    """
    with open(f"{process}/cmdline", "rb") as file:
        title = file.read()
    program = os.path.basename(os.readlink(f"{process}/exe")).split(" ")[0] if b"[listener]" in title else ""
    return program == "sshd" and title.startswith(b"sshd: ")


def _unit(process: str) -> Optional[str]:
    with open(f"{process}/cgroup", encoding="utf-8", errors="replace") as file:
        found = re.search(r"^(?:0:|\d+:name=systemd):.*/([^/\n]+\.service)$", file.read(), re.MULTILINE)
    return found.group(1) if found else None
