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
        if not name.isdigit():
            continue
        try:
            process = os.path.join(proc, name)
            if not _is_sshd(process) or not os.path.samefile(os.path.join(process, "root"), "/"):
                continue
            if _is_sshd(os.path.join(proc, _parent(process))):
                continue  # it serves one connection
            unit = _unit(process)
        except (OSError, ValueError):
            continue  # it has ended meanwhile
        if unit is None or "@" not in unit:  # of ssh@.service there is one for each connection
            yield Listener(int(name), unit)


def _is_sshd(process: str) -> bool:
    try:
        return os.path.basename(os.readlink(os.path.join(process, "exe"))).split(" ")[0] == "sshd"
    except OSError:
        return False


def _parent(process: str) -> str:
    with open(os.path.join(process, "stat"), encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[1]


def _unit(process: str) -> Optional[str]:
    with open(os.path.join(process, "cgroup"), encoding="utf-8", errors="replace") as file:
        found = re.search(r"^(?:0:|\d+:name=systemd):.*/([^/\n]+\.service)$", file.read(), re.MULTILINE)
    return found.group(1) if found else None
