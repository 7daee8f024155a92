# SPDX-License-Identifier: Apache-2.0
"""systemd-nspawn(1): its command line, and the processes of a container."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import List, Optional

from . import cgroups

# The container's systemd uses cgroup v2, whatever the host's does.
ENVIRONMENT = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}


def command(name: str, root: Path, *arguments: str) -> List[str]:
    """The command that runs the container `name` on the file system `root`."""
    return [
        *cgroups.entering(name),
        "systemd-nspawn", "--quiet", "--keep-unit", "--register=no", "--private-network", "--link-journal=no",
        # An instance's systemd can deny a unit the network (IPAddressDeny=): that takes bpf(2).
        "--capability=CAP_BPF", "--system-call-filter=bpf", f"--machine={name}", f"--directory={root}", *arguments,
    ]  # fmt: skip


def unsupported(image: Path, timeout: float) -> Optional[str]:
    """Why systemd-nspawn cannot run even `true` here; None if it can. `timeout` is in seconds."""
    name = f"probe-{os.getpid()}"
    try:
        done = subprocess.run(
            command(name, image, "--read-only", "true"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **ENVIRONMENT},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it does not end in {timeout:g} s"
    finally:
        cgroups.remove(name)
    return done.stderr.strip() or f"exit status {done.returncode}" if done.returncode != 0 else None


def init_process(pid: int) -> Optional[int]:
    """The container's systemd, once it accepts commands; `pid` is systemd-nspawn's."""
    return next((child for child in _children(pid) if _pid_inside(child) == 1 and _accepts_commands(child)), None)


def _accepts_commands(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}/root/run/systemd/private")


def _children(pid: int) -> List[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:  # it has ended
        return []


def _pid_inside(pid: int) -> int:
    """The process's number in the innermost of its PID namespaces if that is not this one, else 0."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            numbers = next(line.split()[1:] for line in file if line.startswith("NSpid:"))
    except (OSError, StopIteration):  # it has ended
        return 0
    return int(numbers[-1]) if len(numbers) > 1 else 0
