# SPDX-License-Identifier: Apache-2.0
"""Whether SELinux would keep sshd from asking: the policy that lets it is in a package of its own."""

from __future__ import annotations

import os
from typing import Callable, Iterator

_ENFORCE = "/sys/fs/selinux/enforce"  # selinux(8): 1 while the policy is enforced
_COMMAND = "/usr/bin/eic-sshd"
_TYPE = "eic_sshd_exec_t"  # packaging/selinux/eic_sshd.fc


def label(path: str) -> str:
    """The security context of the file at `path` (xattr(7)). Raises OSError where it has none."""
    return os.getxattr(path, "security.selinux").decode("ascii", "backslashreplace").rstrip("\0")


def problems(enforce: str = _ENFORCE, label_of: Callable[[str], str] = label) -> Iterator[str]:
    """A sentence, with the way out, where the policy is enforced and does not know eic-sshd."""
    if not _is_enforcing(enforce):
        return
    try:
        found = label_of(_COMMAND)
    except OSError as error:
        found = f"no label ({error.strerror})"
    if _TYPE not in found.split(":"):
        yield (
            f"SELinux is enforcing, and its policy does not know eic-sshd ({_COMMAND} has {found}), so it may keep "
            "sshd from asking: install eic-sshd-selinux"
        )


def _is_enforcing(enforce: str) -> bool:
    try:
        with open(enforce, encoding="ascii") as file:
            return file.read().strip() == "1"
    except FileNotFoundError:
        return False  # SELinux is not there
