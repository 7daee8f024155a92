# SPDX-License-Identifier: Apache-2.0
"""Commands in mount and PID namespaces of their own (namespaces(7)), which end with the process that made them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import List, Optional, Sequence

_PROBE_TIMEOUT = 30  # seconds
_PRIVATE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")


class Unsupported(Exception):
    """Namespaces cannot be made here; the message says why."""


def die_with_parent(command: Sequence[str]) -> List[str]:
    """`command`, killed by the kernel when this process ends (PR_SET_PDEATHSIG)."""
    return ["setpriv", "--pdeathsig", "KILL", *command]


def as_uid(uid: int, command: Sequence[str]) -> List[str]:
    """`command`, run with the user id and the group id `uid` and without supplementary groups."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]


def private(command: Sequence[str], network: bool = False) -> List[str]:
    """`command` in namespaces; with `network` also in a network namespace."""
    return die_with_parent([*_PRIVATE, *(["--net"] if network else []), *command])


def require(network: bool = False) -> None:
    """Raises Unsupported unless `private` works here."""
    if os.geteuid() != 0:
        raise Unsupported("only root can make namespaces here")
    for program in ("unshare", "setpriv"):
        if shutil.which(program) is None:
            raise Unsupported(f"{program} is missing: install util-linux")
    try:
        probe = subprocess.run(
            private(["true"], network), capture_output=True, text=True, timeout=_PROBE_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unsupported(f"unshare did not end within {_PROBE_TIMEOUT} s") from None
    if probe.returncode != 0:
        raise Unsupported(
            f"root cannot make namespaces here ({probe.stderr.strip()}): a container must be allowed to, and / must be "
            "a mount point, which it is not in a plain chroot"
        )


def run(
    command: Sequence[str], network: bool = False, cwd: Optional[str] = None, kill_on_interrupt: bool = False
) -> int:
    """Run `command` in namespaces; returns its exit status.

    SIGTERM and SIGHUP kill it, and with `kill_on_interrupt` so does SIGINT. Otherwise the terminal's SIGINT ends it.
    """
    process = subprocess.Popen(private(command, network), cwd=cwd)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: process.kill())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            if kill_on_interrupt:
                process.kill()
