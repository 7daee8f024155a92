# SPDX-License-Identifier: Apache-2.0
"""The sshds that wait for connections on this machine, whoever started them (proc(5), cgroups(7))."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Container, Dict, FrozenSet, Iterable, List, NamedTuple, Optional


class Listener(NamedTuple):
    """An sshd that goes by its configuration until it is told to read it again; `unit` is the service it runs in,
    `sockets` are what it has open beside its standard streams, none if we may not know. `program` is what it runs,
    `options` are those that it was started with, and `network` is the namespace that its addresses are in."""

    pid: int
    unit: Optional[str]
    sockets: FrozenSet[str]
    program: str = "/usr/sbin/sshd"
    options: str = ""
    network: str = ""

    @property
    def config(self) -> str:
        """The file that it was started with (sshd(8), -f), empty for the one that its program has built in."""
        # -f may stand behind other options' letters.
        found = re.search(r" -[46DdeGiqrTt]*f ?(\S+)", self.options)
        return found.group(1) if found else ""

    @property
    def brings_host_keys(self) -> bool:
        """Whether it has host keys that its configuration does not name."""
        return re.search(r" -h|hostkey", self.options, re.IGNORECASE) is not None

    @property
    def brings_addresses(self) -> bool:
        """Whether it may listen at other addresses than those that its configuration names, or not in our network."""
        return " -o" in self.options or self.network != _network("/proc/self")

    def reads(self, config: str, program: str) -> bool:
        """Whether it goes by the configuration at `config`, which is the one that `program` has built in."""
        if self.config:  # from wherever it was started: a path that is not absolute may lead anywhere
            return self.config.startswith("/") and os.path.realpath(self.config) == os.path.realpath(config)
        return self.program == os.path.realpath(program)

    def is_back(self, now: Iterable[Listener], before: Container[int]) -> bool:
        """Whether it, or what has come in its place, waits at sockets of its own `now`: so it has read its
        configuration. `before` are the processes of all that waited when it was told.

        Told to read it, sshd closes its sockets, executes itself anew, and only then opens others (sshd.c,
        sighup_restart): for some 20 ms whoever comes is turned away. One whose sockets we may not know counts as back.
        """
        in_its_place = [one for one in now if one.pid == self.pid or (one.unit == self.unit and one.pid not in before)]
        return not self.sockets or any(one.sockets and not one.sockets & self.sockets for one in in_its_place)


def listeners(proc: str) -> List[Listener]:
    """Those of our own user's that look at the same root as we do: not those of containers, nor, from a chroot, the
    host's, nor what some other user calls so."""
    found: Dict[int, Listener] = {}
    parents: Dict[int, int] = {}
    for name in os.listdir(proc) if os.path.isdir(proc) else ():
        process = os.path.join(proc, name)
        try:
            title = _title(process) if name.isdigit() and _is_ours(process) else ""
            program = _program(process) if _says_it_waits(title) else ""
            if os.path.basename(program) == "sshd":
                options = title.partition(" [listener]")[0]
                parents[int(name)] = _parent(process)
                found[int(name)] = Listener(
                    int(name), _unit(process), _sockets(process), program, options, _network(process)
                )
        except OSError:
            continue  # it has ended meanwhile
    # A child that has just been forked for a connection still looks like the one it is from.
    return [found[pid] for pid in sorted(found) if parents[pid] not in parents]


def _is_ours(process: str) -> bool:
    return os.stat(process).st_uid == os.geteuid() and os.path.samefile(f"{process}/root", "/")


def _parent(process: str) -> int:
    """proc(5), /proc/pid/stat: the command's name, in brackets, may have anything in it."""
    with open(f"{process}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def _says_it_waits(title: str) -> bool:
    """One that serves a connection, or tests a configuration, would end by the signal that has this one read anew.

    sshd says so itself, in its title (sshd.c: `sshd: PROGRAM OPTIONS [listener] ...`, OpenSSH 8.2 and later).
    """
    return title.startswith("sshd: ") and "[listener]" in title


def _title(process: str) -> str:
    with open(f"{process}/cmdline", "rb") as file:
        return os.fsdecode(file.read().rstrip(b"\0"))


def _program(process: str) -> str:
    return os.readlink(f"{process}/exe").partition(" (deleted)")[0]


def _network(process: str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"{process}/ns/net")
    return ""


def _sockets(process: str) -> FrozenSet[str]:
    found = set()
    with contextlib.suppress(PermissionError):
        for name in os.listdir(f"{process}/fd"):
            with contextlib.suppress(FileNotFoundError):  # it has closed it meanwhile
                found.add(os.readlink(f"{process}/fd/{name}") if int(name) > 2 else "")
    return frozenset(name for name in found if name.startswith("socket:"))


def _unit(process: str) -> Optional[str]:
    with open(f"{process}/cgroup", encoding="utf-8", errors="replace") as file:
        # Not what a user's own systemd looks after, below user@UID.service.
        found = re.search(r"^(?:0:|\d+:name=systemd):(?!.*/user@).*/([^/\n]+\.service)$", file.read(), re.MULTILINE)
    return found.group(1) if found else None
