# SPDX-License-Identifier: Apache-2.0
"""Whether SELinux lets sshd use eic-sshd: the policy for that is a package of its own."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from typing import Callable, Iterable, Iterator

from ..host import packages
from ..paths import CLIENT_COMMAND, COMMAND_LINE_TOOL
from .finding import Finding, error, warning

_ENFORCE = "/sys/fs/selinux/enforce"  # selinux(8): 1 while the policy is enforced
_POLICIES = "etc/selinux/*/policy/policy.*"  # selinux(8): the policy that is loaded
# Our programs by their names, our types, or a connection to IMDS's port by sshd's domain.
_DENIAL = re.compile(
    r"avc:\s+denied .*(comm=\"(authorized-keys|eic-sshd)\"|eic_sshd_|scontext=\S*:sshd\S* .*tclass=tcp_socket)"
)
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
            f"Run `{packages.install('eic-sshd-selinux')}`",
        )


def corrected_at(root: str = "/") -> float:
    """When SELinux last got another policy, or our programs another label (Unix time); 0 if that is not known.

    What was denied before that time may no longer be. semodule(8) writes the policy again, and restorecon(8) changes
    the status of a file.
    """
    policies = glob.glob(os.path.join(root, _POLICIES))
    programs = [os.path.join(root, path.lstrip("/")) for path in (CLIENT_COMMAND, COMMAND_LINE_TOOL)]
    times = [0.0]
    for path, field in [*((one, "st_mtime") for one in policies), *((one, "st_ctime") for one in programs)]:
        with contextlib.suppress(OSError):
            times.append(getattr(os.stat(path), field))
    return max(times)


def denials(lines: Iterable[str], install: str) -> Iterator[Finding]:
    """A finding where the audit `lines` have denials of eic-sshd's programs, of its domain or of IMDS.

    A line with permissive=1 was not denied. `install` is the command that installs the policy. Newer policies run the
    command in sshd_session_t, which an older module of ours has no rules for.
    """
    found = [line for line in lines if _DENIAL.search(line)]
    denied = [line for line in found if not re.search(r"\bpermissive=1\b", line)]
    remedy = f"Run `{install} && restorecon -R /usr/lib/eic-sshd /usr/bin/eic-sshd /run/eic-sshd`"
    if denied:
        problem = (
            f"it has denied eic-sshd something {len(denied)} times in the last day, or since its policy and labels "
            f"were changed (the last: {_what(denied[-1])})"
        )
        yield error("selinux-denials", "SELinux", problem, remedy)
    elif found:
        problem = f"it would deny eic-sshd something if it were enforced (permissive=1; the last: {_what(found[-1])})"
        yield warning("selinux-would-deny", "SELinux", problem, remedy)


def _what(line: str) -> str:
    what = re.search(r"\{ ([^}]*) \}.*?scontext=(\S+) tcontext=(\S+) tclass=(\w+)", line)
    return f"{what.group(2)} may not {what.group(1)} {what.group(4)} {what.group(3)}" if what else line[:200]


def _is_enforcing(enforce: str) -> bool:
    try:
        with open(enforce, encoding="ascii") as file:
            return file.read().strip() == "1"
    except FileNotFoundError:
        return False  # this kernel has no SELinux
