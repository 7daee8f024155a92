# SPDX-License-Identifier: Apache-2.0
"""Whether SELinux lets sshd use eic-sshd: the policy for that is a package of its own."""

from __future__ import annotations

import os
from typing import Callable, Iterator

from ..paths import COMMAND_LINE_TOOL
from .finding import Finding, error

_ENFORCE = "/sys/fs/selinux/enforce"  # selinux(8): 1 while the policy is enforced
_TYPE = "eic_sshd_exec_t"  # packaging/selinux/eic_sshd.fc


def label(path: str) -> str:
    """The security context of the file at `path` (xattr(7)). Raises OSError where it has none."""
    return os.getxattr(path, "security.selinux").decode("ascii", "backslashreplace").rstrip("\0")


def problems(enforce: str = _ENFORCE, label_of: Callable[[str], str] = label) -> Iterator[Finding]:
    """A finding where the policy is enforced and has no rules for eic-sshd."""
    if not _is_enforcing(enforce):
        return
    try:
        found = label_of(COMMAND_LINE_TOOL)
    except OSError as failure:
        found = f"no label ({failure.strerror})"
    if _TYPE not in found.split(":"):
        yield error(
            "selinux-policy-missing",
            COMMAND_LINE_TOOL,
            f"SELinux is enforcing without a policy for eic-sshd, so it may deny sshd's requests (label: {found})",
            "Install eic-sshd-selinux",
        )


def _is_enforcing(enforce: str) -> bool:
    try:
        with open(enforce, encoding="ascii") as file:
            return file.read().strip() == "1"
    except FileNotFoundError:
        return False  # this kernel has no SELinux
