# SPDX-License-Identifier: Apache-2.0
"""Whether the running sshd has read its configuration as it is on disk now.

`sshd -T` prints what is on disk. An sshd reads that when it starts and at SIGHUP, which does not change when its
process began (proc_pid_stat(5)): systemd's and sshd's own notes of a reload count too.
"""

from __future__ import annotations

import os
import time
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..host import systemd
from ..host.errors import MachineError
from ..sshd.processes import SIGHUP, Listener
from ..sshd.site import Site
from .finding import Finding, error, ok, warning

_TOLERANCE = 1.0  # seconds: the start of a process is a multiple of 0.01 s, and a clock may be adjusted in between


class RunningSshd(NamedTuple):
    """An sshd that listens; it has read its configuration at `read_at` (Unix time). `reload` is the command for it."""

    pid: int
    read_at: float
    reload: str


class ChangedFile(NamedTuple):
    """A file of sshd's configuration, and when it was changed (Unix time)."""

    path: str
    changed_at: float


def findings(
    running: Sequence[RunningSshd],
    files: Sequence[ChangedFile],
    now: float,
    starts_by_socket: bool = False,
    start: str = "systemctl start ssh.service",
) -> Iterator[Finding]:
    """Each sshd that has not read a change; a finding OK if all have read everything.

    `starts_by_socket` says that systemd starts an sshd for a connection, `start` is the command that starts one.
    """
    if not running and not starts_by_socket:
        yield warning("sshd-not-running", "sshd", "no sshd that uses this configuration listens", f"Run `{start}`")
        return
    stale = list(_stale(running, files, now))
    yield from stale
    if not stale:
        yield ok("sshd-current", "sshd", "it runs with its configuration as it is on disk")


def _stale(running: Sequence[RunningSshd], files: Sequence[ChangedFile], now: float) -> Iterator[Finding]:
    for one in running:
        newer = [file for file in files if one.read_at + _TOLERANCE < file.changed_at <= now]
        if newer:
            last = max(newer, key=lambda file: file.changed_at)
            yield error(
                "sshd-not-reloaded",
                f"sshd (PID {one.pid})",
                f"it has not read the configuration as it is on disk ({last.path} was changed "
                f"{_ago(now - last.changed_at)}, sshd read it {_ago(now - one.read_at)})",
                f"Run `{one.reload}`",
            )


def _ago(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def running_sshds(site: Site, reloads_of: Callable[[int], Optional[float]]) -> List[RunningSshd]:
    """The sshds that use the site's configuration. `reloads_of` gives the time of a process's last SIGHUP, if known."""
    return [_running(one, site, reloads_of(one.pid)) for one in site.listeners(site.sshd)]


def _running(one: Listener, site: Site, sighup: Optional[float]) -> RunningSshd:
    times = [started_at(site.processes.proc, one.pid), sighup or 0.0]
    reload = f"kill -HUP {one.pid}"
    if one.unit is not None:
        verb = one.reload_verb()
        times.append(_state_changed_at(one.unit))
        reload = reload if verb == SIGHUP else f"systemctl {verb} {one.unit}"
    return RunningSshd(one.pid, max(times), reload)


def started_at(proc: str, pid: int) -> float:
    """When the process began (Unix time): proc_pid_stat(5), field 22, in ticks since the boot. Zero if it has ended."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def _state_changed_at(unit: str) -> float:
    """When systemd last started or reloaded the unit (Unix time); zero if it does not report that."""
    try:
        shown = systemd.show(unit, "StateChangeTimestampMonotonic")
    except MachineError:
        return 0.0
    microseconds = shown.get("StateChangeTimestampMonotonic", "0")
    if not microseconds.isdigit() or microseconds == "0":
        return 0.0
    return time.time() - time.monotonic() + int(microseconds) / 1e6


def changed_files(site: Site) -> List[ChangedFile]:
    """The files that sshd reads."""
    paths = sorted({site.sshd.config, *site.sshd_config().files()})
    return [ChangedFile(path, at) for path, at in map(_changed, paths) if at]


def _changed(path: str) -> Tuple[str, float]:
    try:
        return path, os.stat(path).st_mtime
    except OSError:
        return path, 0.0
