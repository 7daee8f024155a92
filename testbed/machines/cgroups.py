# SPDX-License-Identifier: Apache-2.0
"""A cgroup for each machine, since two systemds cannot share one, in each hierarchy that systemd-nspawn uses."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator, List

from .. import waiting

RUN = "EIC_SSHD_INSTANCE"  # the environment variable with the process id of the run that boots machines
_PREFIX = "eic-sshd-instance-"
_REMOVAL_TIMEOUT = 5.0  # seconds


def entering(name: str) -> List[str]:
    """The prefix of a command that runs in the cgroups of the machine `name`; makes them."""
    groups = [parent / name for parent in _parents()]
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    enter = 'while [ "$1" != -- ]; do echo 0 >"$1"; shift; done; shift; exec "$@"'
    return ["sh", "-ec", enter, "sh", *[str(group / "cgroup.procs") for group in groups], "--"]


def remove(name: str) -> None:
    """Remove the machine's cgroups when its last process has ended."""
    for parent in _parents():
        _remove(parent / name)


def remove_left_over() -> None:
    """Remove the cgroups of this run, and of runs that have ended."""
    for parent in _parents():
        for group in parent.parent.glob(f"{_PREFIX}*"):
            run = group.name[len(_PREFIX) :]
            if run == os.environ.get(RUN) or not os.path.exists(f"/proc/{run}"):
                _remove(group, timeout=0.5)


def _remove(group: Path, timeout: float = _REMOVAL_TIMEOUT) -> None:
    """Remove the cgroup and those below it, unless a process is left after `timeout` seconds."""

    def is_gone() -> bool:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):  # it has processes
                os.rmdir(folder)
        return not group.is_dir()

    with contextlib.suppress(waiting.TimedOut):
        waiting.until(is_gone, f"{group} is empty", timeout)


def _parents() -> Iterator[Path]:
    """The cgroup of this run, in each hierarchy."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        for mount in _mounts(number, controllers):
            yield mount / path.lstrip("/") / (_PREFIX + os.environ.get(RUN, str(os.getpid())))


def _mounts(number: str, controllers: str) -> Iterator[Path]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options = line.split()[:4]
        if (number == "0" and kind == "cgroup2") or (controllers == "name=systemd" and controllers in options):
            yield Path(where)
            return
