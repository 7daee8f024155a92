# SPDX-License-Identifier: Apache-2.0
"""The commands of this distribution's package manager."""

from __future__ import annotations

import os


def install(package: str, root: str = "/") -> str:
    """The command that installs `package`, which has the same name in Debian's and Red Hat's distributions."""
    return f"{_manager(root)} install {package}"


def reinstall(package: str, root: str = "/") -> str:
    """The command that restores the files of `package`."""
    if _manager(root) == "apt-get":
        return f"apt-get install --reinstall {package}"
    return f"dnf reinstall {package}"


def remove(package: str, root: str = "/") -> str:
    """The command that removes `package`."""
    return f"{_manager(root)} remove {package}"


def renew_roots(root: str = "/") -> str:
    """The command that makes the bundle of trusted roots again: update-ca-certificates(8), update-ca-trust(8)."""
    return "update-ca-certificates --fresh" if _manager(root) == "apt-get" else "update-ca-trust"


def _manager(root: str) -> str:
    return "apt-get" if os.path.exists(os.path.join(root, "etc/debian_version")) else "dnf"
