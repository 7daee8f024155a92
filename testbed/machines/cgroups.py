# SPDX-License-Identifier: Apache-2.0
"""A cgroup for each machine, since two systemds cannot share one, in each hierarchy that systemd-nspawn uses."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Iterator, List

RUN = "EIC_SSHD_INSTANCE"  # the environment variable that names the process that started all this
_PREFIX = "eic-sshd-instance-"
_PATIENCE = 5.0  # seconds


def entering(name: str) -> List[str]:
    """What a command is put behind, to run in the cgroups of the machine `name`, which are made."""
    groups = [parent / name for parent in _parents()]
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    enter = 'while [ "$1" != -- ]; do echo 0 >"$1"; shift; done; shift; exec "$@"'
    return ["sh", "-ec", enter, "sh", *[str(group / "cgroup.procs") for group in groups], "--"]


def remove(name: str) -> None:
    """Remove the machine's cgroups, once its last process is gone."""
    for parent in _parents():
        _remove(parent / name)


def remove_left_over() -> None:
    """Remove what this run and those that are no more have left."""
    for parent in _parents():
        for group in parent.parent.glob(f"{_PREFIX}*"):
            run = group.name[len(_PREFIX) :]
            if run == os.environ.get(RUN) or not os.path.exists(f"/proc/{run}"):
                _remove(group, patience=0.5)


def _remove(group: Path, patience: float = _PATIENCE) -> None:
    begun = time.monotonic()
    while group.is_dir():
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        if time.monotonic() - begun > patience:
            return
        if group.is_dir():
            time.sleep(0.02)


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
