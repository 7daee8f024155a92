# SPDX-License-Identifier: Apache-2.0
"""What systemd reports about its units (systemctl(1)). Nothing is changed here."""

from __future__ import annotations

import os
import subprocess
from typing import Dict

from .run import is_installed, run

# systemd.unit(5), Unit File Load Path: the first folder that has a file of that name is used.
UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system",
                "lib/systemd/system")  # fmt: skip


def is_running(root: str = "/") -> bool:
    """Whether systemd runs on the machine at `root` and manages this process: not in a chroot (sd_booted(3))."""
    return os.path.isdir(os.path.join(root, "run/systemd/system")) and not _is_in_chroot()


def has_unit(name: str, root: str = "/") -> bool:
    """Whether there is a systemctl, and a unit file `name` on the machine at `root`."""
    paths = (os.path.join(root, folder, name) for folder in UNIT_FOLDERS)
    return is_installed("systemctl") and any(map(os.path.exists, paths))


def is_state(state: str, unit: str) -> bool:
    """Whether the `unit` is `enabled`, `active` or `failed`. Raises RunError."""
    return systemctl(f"is-{state}", "--quiet", unit).returncode == 0


def enablement(unit: str) -> str:
    """What `systemctl is-enabled` prints: `enabled`, `disabled`, `masked`, ... Raises RunError."""
    return systemctl("is-enabled", unit).stdout.strip()


def show(unit: str, *properties: str) -> Dict[str, str]:
    """Name to value of those `properties` that the `unit` has. Raises RunError."""
    done = systemctl("show", f"--property={','.join(properties)}", unit)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def timedate(*properties: str) -> Dict[str, str]:
    """Name to value of those `properties` of the clock that timedatectl(1) shows. Raises RunError."""
    done = run("timedatectl", "show", *(f"--property={name}" for name in properties))
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemctl; its status is not checked. Raises RunError."""
    return run("systemctl", "--no-pager", *arguments)


def _is_in_chroot() -> bool:
    try:
        return not os.path.samefile("/", "/proc/1/root/")
    except OSError:
        return False
