# SPDX-License-Identifier: Apache-2.0
"""What the subcommands that change this machine have in common."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
from typing import Callable, Iterator

from ..enabling import Refused
from ..enabling.site import Site
from ..enabling.sshd import Sshd
from ..enabling.units import Units


def configure_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def administering(arguments: argparse.Namespace, change: Callable[[Site], None]) -> int:
    """Run `change` on this machine; the exit status: 0 done, or nothing to do; 1 not done, which is said."""
    site = Site(Sshd(), Units(), _say, arguments.dry_run)
    try:
        with _alone(os.path.dirname(site.sshd.config)):
            change(site)
    except Refused as problem:
        print(f"eic-sshd: {problem}", file=sys.stderr)
        return 1
    return 0


def _say(sentence: str) -> None:
    print(f"eic-sshd: {sentence}", flush=True)


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """One at a time changes a machine; the folder itself is what is locked, so that nothing is left behind."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"{folder}: {error.strerror}: is openssh-server installed?") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
