# SPDX-License-Identifier: Apache-2.0
"""The sshds that listen for connections on this machine, with or without a systemd unit (proc(5), cgroups(7))."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from typing import Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Set

from ..host import systemd

POLL_INTERVAL = 0.01  # seconds
# How an sshd is made to read its configuration: by systemctl, or by a signal (sshd(8)).
RELOAD, TRY_RESTART, SIGHUP = "reload", "try-restart", "SIGHUP"
_LISTEN = "0A"  # as a number in the kernel's include/net/tcp_states.h

# sshd(8) with an option by which it exits after one task, or serves one connection: -i, -R (sshd.c), -t, -T, -G.
_ONE_TASK = re.compile(r"\0-[46Ddeq]*[iRtTG]")


class Listener(NamedTuple):
    """An sshd that listens for connections, and keeps its configuration until it is reloaded.

    `unit` is its systemd service, if any; `sockets` are its TCP sockets in state LISTEN, empty if they are not known;
    `options` are those that it was started with; `network` is its network namespace.
    """

    pid: int
    unit: Optional[str]
    sockets: FrozenSet[str]
    program: str = "/usr/sbin/sshd"
    options: str = ""
    network: str = ""

    @property
    def config(self) -> str:
        """The configuration file that it was started with (sshd(8), -f); empty for its program's default."""
        # -f may follow other letters in one word.
        found = re.search(r" -[46DdeGiqrTt]*f ?(\S+)", self.options)
        return found.group(1) if found else ""

    @property
    def overrides_host_keys(self) -> bool:
        """Whether its options give host keys other than those in its configuration."""
        return re.search(r" -h|hostkey", self.options, re.IGNORECASE) is not None

    @property
    def overrides_addresses(self) -> bool:
        """Whether it may listen at addresses other than those in its configuration, or in another network namespace."""
        return " -o" in self.options or self.network != _network("/proc/self")

    def uses(self, config: str, program: str) -> bool:
        """Whether its configuration is the file at `config`, which is the default of `program`."""
        if self.config:  # a relative path counts from an unknown folder
            return self.config.startswith("/") and os.path.realpath(self.config) == os.path.realpath(config)
        return self.program == os.path.realpath(program)

    def reload_verb(self) -> str:
        """RELOAD or TRY_RESTART of its unit; SIGHUP if it has no unit of its own, or one that cannot reload.

        Raises RunError.
        """
        if self.unit is None:
            return SIGHUP
        shown = systemd.show(self.unit, "CanReload", "KillMode", "MainPID", "TriggeredBy")
        if shown.get("MainPID") != str(self.pid):
            return SIGHUP
        # A socket-activated sshd exits at a reload (seen with Debian 13's). While it restarts, connections wait in
        # systemd's socket, and sessions continue.
        triggers = shown.get("TriggeredBy", "").split()
        if shown.get("KillMode") == "process" and any(systemd.is_state("active", name) for name in triggers):
            return TRY_RESTART
        return RELOAD if shown.get("CanReload") == "yes" else SIGHUP


class Survey(NamedTuple):
    """The sshds that listen, and whether one is starting or restarting.

    Until such a one listens it is not known which configuration it has read, nor whether it handles a signal (sshd.c,
    sighup_restart).
    """

    listeners: List[Listener]
    is_one_starting: bool


def survey(proc: str) -> Survey:
    """The sshds of our own user and root directory. Each process is looked at once.

    Not those in containers, nor, from a chroot, the host's, nor a program of another user that has the same name.
    """
    found: Dict[int, _Process] = {}
    for name in os.listdir(proc) if os.path.isdir(proc) else ():
        process = os.path.join(proc, name)
        with contextlib.suppress(OSError):  # it has ended since
            if name.isdigit() and _is_ours(process):
                sshd = _sshd(process, int(name))
                found.update({} if sshd is None else {int(name): sshd})
    # A child that was just forked for a connection still has its parent's title.
    sshds = [found[pid] for pid in sorted(found) if found[pid].parent not in found]
    return Survey([sshd.listener for sshd in sshds if sshd.listener], any(sshd.is_starting for sshd in sshds))


def listeners(proc: str) -> List[Listener]:
    """The sshds that listen."""
    return survey(proc).listeners


def count_reopened(now: Iterable[Listener], before: Iterable[Listener]) -> int:
    """How many sshds listen `now` at sockets none of which an sshd had `before`.

    These have read their configuration since then.
    At a reload sshd closes its sockets, executes itself again, reads its configuration and only then opens others
    (sshd.c, sighup_restart).
    """
    old = frozenset(name for one in before for name in one.sockets)
    return sum(bool(one.sockets) and not one.sockets & old for one in now)


class Processes:
    """The processes listed in the folder `proc`.

    `start_timeout` limits the time in seconds, for all calls together, that is spent waiting for an sshd to start.
    """

    def __init__(self, proc: str = "/proc", start_timeout: float = 10.0) -> None:
        self.proc = proc
        self._polls_left = start_timeout / POLL_INTERVAL

    def listeners(self) -> List[Listener]:
        """All sshds that listen here, with any configuration, once none is starting."""
        found = survey(self.proc)
        while found.is_one_starting and self._polls_left > 0:
            self._polls_left -= 1
            time.sleep(POLL_INTERVAL)
            found = survey(self.proc)
        return found.listeners


class _Process(NamedTuple):
    """An sshd that is starting, or listens, or both: one that restarts has closed its sockets and kept its title."""

    parent: int
    is_starting: bool
    listener: Optional[Listener]


def _sshd(process: str, pid: int) -> Optional[_Process]:
    """None for any other process, and for an sshd with one task or one connection: SIGHUP would end that.

    sshd marks a listener in its title (sshd.c: `sshd: PROGRAM OPTIONS [listener] ...`, OpenSSH 8.2 and later). Until it
    listens, the title is its command line; while it executes itself again, it is empty.
    """
    title = _title(process)
    is_titled, listens = title.startswith("sshd: "), "[listener]" in title
    if is_titled and not listens:
        return None
    program = _program(process)
    if os.path.basename(program) != "sshd":
        return None
    if not is_titled:
        return None if _ONE_TASK.search(title) else _Process(_parent(process), True, None)
    opened = _opened(process)
    sockets = frozenset(opened.intersection(_listening(process)))
    options = title.partition(" [listener]")[0]
    is_restarting = (bool(opened) and not sockets) or _is_reload_pending(process)
    listener = Listener(pid, _unit(process), sockets, program, options, _network(process))
    return _Process(_parent(process), is_restarting, listener)


def _is_ours(process: str) -> bool:
    return os.stat(process).st_uid == os.geteuid() and os.path.samefile(f"{process}/root", "/")


def _parent(process: str) -> int:
    """proc(5), /proc/pid/stat: the command's name, in brackets, may contain anything."""
    with open(f"{process}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def _title(process: str) -> str:
    with open(f"{process}/cmdline", "rb") as file:
        return os.fsdecode(file.read().rstrip(b"\0"))


def _is_reload_pending(process: str) -> bool:
    """Whether it has a SIGHUP that it has not handled yet (proc_pid_status(5))."""
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
    """The targets of its open descriptors; none where they may not be read, even by root."""
    found = set()
    with contextlib.suppress(PermissionError):
        for name in os.listdir(f"{process}/fd"):
            with contextlib.suppress(FileNotFoundError):  # it has closed it since
                found.add(os.readlink(f"{process}/fd/{name}"))
    return found


def _listening(process: str) -> Iterator[str]:
    """Every TCP socket in state LISTEN in its network namespace, named as among a process's descriptors.

    sshd listens at no others (sshd.c, listen_on_addrs). OpenSSH 10 has other sockets too, for clients that are not
    logged in.
    """
    for file in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError), open(f"{process}/net/{file}", encoding="ascii") as lines:
            next(lines, "")  # the table's header; a kernel without IPv6 has no such file
            for fields in map(str.split, lines):  # proc_pid_net(5): the state is the fourth, the inode the tenth
                if fields[3] == _LISTEN:
                    yield f"socket:[{fields[9]}]"


def _unit(process: str) -> Optional[str]:
    with open(f"{process}/cgroup", encoding="utf-8", errors="replace") as file:
        # Not a unit of a user's own systemd, below user@UID.service.
        found = re.search(r"^(?:0:|\d+:name=systemd):(?!.*/user@).*/([^/\n]+\.service)$", file.read(), re.MULTILINE)
    return found.group(1) if found else None
