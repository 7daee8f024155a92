# SPDX-License-Identifier: Apache-2.0
"""The sshds that wait for connections on this machine, whoever started them (proc(5), cgroups(7))."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from typing import Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Set

from ..host import systemd

POLL_INTERVAL = 0.01  # seconds
# How systemd, or we, have it read its configuration.
RESTART = "try-restart"  # systemctl waits until it is back
HANG_UP = "SIGHUP"  # sshd(8): it rereads its configuration when it receives one
_LISTEN = "0A"  # as a number in the kernel's include/net/tcp_states.h

# sshd(8) with an option by which it does one thing and ends, or serves one connection: -i, -R (sshd.c), -t, -T, -G.
_ONE_TASK = re.compile(r"\0-[46Ddeq]*[iRtTG]")


class Listener(NamedTuple):
    """An sshd that goes by its configuration until it is told to read it again; `unit` is the service it runs in,
    `sockets` are those at which it waits for connections, none if that is not known. `program` is what it runs,
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

    def reload_verb(self) -> str:
        """How systemctl has its unit read its configuration; HANG_UP if it can't, or the unit is about something else.

        Raises RunError.
        """
        if self.unit is None:
            return HANG_UP
        shown = systemd.show(self.unit, "CanReload", "KillMode", "MainPID", "TriggeredBy")
        if shown.get("MainPID") != str(self.pid):
            return HANG_UP
        # One that a socket started ends at a reload (seen with Debian 13's). Where it is started anew, what comes
        # meanwhile waits in the socket, and sessions go on.
        triggers = shown.get("TriggeredBy", "").split()
        if shown.get("KillMode") == "process" and any(systemd.is_state("active", name) for name in triggers):
            return RESTART
        return "reload" if shown.get("CanReload") == "yes" else HANG_UP


class Survey(NamedTuple):
    """The sshds that wait for connections, and whether one is on its way to that, or about to start again: what such a
    one has read, and whether it takes notice of a signal (sshd.c, sighup_restart), is not known before it waits.
    """

    waiting: List[Listener]
    is_one_starting: bool


def survey(proc: str) -> Survey:
    """Those of our own user's that look at the same root as we do: not those of containers, nor, from a chroot, the
    host's, nor what some other user calls so.

    Each process is looked at once, and found to be the one or the other, whatever becomes of it meanwhile.
    """
    found: Dict[int, _Process] = {}
    for name in os.listdir(proc) if os.path.isdir(proc) else ():
        process = os.path.join(proc, name)
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if name.isdigit() and _is_ours(process):
                sshd = _sshd(process, int(name))
                found.update({} if sshd is None else {int(name): sshd})
    # A child that has just been forked for a connection still looks like the one it is from.
    sshds = [found[pid] for pid in sorted(found) if found[pid].parent not in found]
    return Survey([sshd.listener for sshd in sshds if sshd.listener], any(sshd.is_starting for sshd in sshds))


def listeners(proc: str) -> List[Listener]:
    """Those that `survey` finds waiting."""
    return survey(proc).waiting


def count_reopened(now: Iterable[Listener], before: Iterable[Listener]) -> int:
    """How many sshds listen `now`, at sockets none of which an sshd had `before`: so they have read their configuration
    since.

    At a reload sshd closes its sockets, executes itself again, reads its configuration and only then opens others
    (sshd.c, sighup_restart).
    """
    old = frozenset(name for one in before for name in one.sockets)
    return sum(bool(one.sockets) and not one.sockets & old for one in now)


class Processes:
    """The processes listed in `proc`; `patience` is how long one may be starting, in seconds, in all: one that never
    comes to wait must not cost it each time."""

    def __init__(self, proc: str = "/proc", patience: float = 10.0) -> None:
        self.proc = proc
        self._polls_left = patience / POLL_INTERVAL

    def waiting(self) -> List[Listener]:
        """All that wait for connections here, whatever configuration they go by, once none is about to."""
        found = survey(self.proc)
        while found.is_one_starting and self._polls_left > 0:
            self._polls_left -= 1
            time.sleep(POLL_INTERVAL)
            found = survey(self.proc)
        return found.waiting


class _Process(NamedTuple):
    """An sshd that is starting, or waits for connections, or both: about to start again, it has closed its sockets."""

    parent: int
    is_starting: bool
    listener: Optional[Listener]


def _sshd(process: str, pid: int) -> Optional[_Process]:
    """None for any other process, and for an sshd that does one thing and ends, or serves a connection: that would end
    by the signal that has this one read anew.

    sshd says so itself, in its title (sshd.c: `sshd: PROGRAM OPTIONS [listener] ...`, OpenSSH 8.2 and later), which is
    its command line until it waits, and nothing for the moment in which it executes itself anew.
    """
    title = _title(process)
    is_titled, waits = title.startswith("sshd: "), "[listener]" in title
    if is_titled and not waits:
        return None
    program = _program(process)
    if os.path.basename(program) != "sshd":
        return None
    if not is_titled:
        return None if _ONE_TASK.search(title) else _Process(_parent(process), True, None)
    opened = _opened(process)
    sockets = frozenset(opened.intersection(_listening(process)))
    options = title.partition(" [listener]")[0]
    is_restarting = (bool(opened) and not sockets) or _is_told(process)
    listener = Listener(pid, _unit(process), sockets, program, options, _network(process))
    return _Process(_parent(process), is_restarting, listener)


def _is_ours(process: str) -> bool:
    return os.stat(process).st_uid == os.geteuid() and os.path.samefile(f"{process}/root", "/")


def _parent(process: str) -> int:
    """proc(5), /proc/pid/stat: the command's name, in brackets, may have anything in it."""
    with open(f"{process}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def _title(process: str) -> str:
    with open(f"{process}/cmdline", "rb") as file:
        return os.fsdecode(file.read().rstrip(b"\0"))


def _is_told(process: str) -> bool:
    """Whether a SIGHUP waits for it, which on a busy machine it has not come to (proc_pid_status(5))."""
    with open(f"{process}/status", "rb") as file:
        masks = re.findall(rb"(?m)^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$", file.read())
    return any(int(mask, 16) & 1 << (signal.SIGHUP - 1) for mask in masks)


def _program(process: str) -> str:
    return os.readlink(f"{process}/exe").partition(" (deleted)")[0]


def _network(process: str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"{process}/ns/net")
    return ""


def _opened(process: str) -> Set[str]:
    """What it has open; nothing where root itself may not know that."""
    found = set()
    with contextlib.suppress(PermissionError):
        for name in os.listdir(f"{process}/fd"):
            with contextlib.suppress(FileNotFoundError):  # it has closed it meanwhile
                found.add(os.readlink(f"{process}/fd/{name}"))
    return found


def _listening(process: str) -> Iterator[str]:
    """Every socket in its network that waits for TCP connections, named as among a process's descriptors: sshd makes
    no other (sshd.c, listen_on_addrs)."""
    for file in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError), open(f"{process}/net/{file}", encoding="ascii") as lines:
            next(lines, "")  # the head of the table; there is none at all in a kernel without IPv6
            for fields in map(str.split, lines):  # proc_pid_net(5): the state is the fourth, the inode the tenth
                if fields[3] == _LISTEN:
                    yield f"socket:[{fields[9]}]"


def _unit(process: str) -> Optional[str]:
    with open(f"{process}/cgroup", encoding="utf-8", errors="replace") as file:
        # Not what a user's own systemd looks after, below user@UID.service.
        found = re.search(r"^(?:0:|\d+:name=systemd):(?!.*/user@).*/([^/\n]+\.service)$", file.read(), re.MULTILINE)
    return found.group(1) if found else None
