# SPDX-License-Identifier: Apache-2.0
"""What the subcommands that change this machine have in common."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from typing import Any, Callable

from ..host.errors import MachineError
from ..setup import StillAsks, Unfinished
from ..setup.lock import alone
from ..setup.services import Units
from ..setup.target import Target
from ..sshd.processes import Processes
from ..sshd.program import Sshd
from ..sshd.site import Site
from ._streams import say

_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class _Interrupted(BaseException):
    """Somebody wants this to end, or their connection broke: what was begun is put back first."""


def configure_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def this_machine(dry_run: bool) -> Target:
    site = Site(Sshd(), Processes())
    return Target(site, Units(say, dry_run, site.processes), say, dry_run)


def administering(arguments: argparse.Namespace, change: Callable[[Target], None]) -> int:
    """Run `change` on this machine; the exit status: 0 done, or nothing to do; 1 not all done, which is said, or 3 if
    because of that an sshd may go on asking eic-sshd (the packages' scripts go by that)."""
    if os.geteuid() != 0:
        say("only root can change what sshd does: run it as root", sys.stderr)
        return 1
    os.umask(0o022)  # what sshd and others are to read
    target = this_machine(arguments.dry_run)
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        with contextlib.nullcontext() if arguments.dry_run else alone(say):
            change(target)
    except (MachineError, Unfinished) as problem:
        say(str(problem), sys.stderr)
        return 3 if isinstance(problem, StillAsks) else 1
    except _Interrupted:
        say("interrupted: what was changed is put back, as far as nothing else is said above", sys.stderr)
        return 1
    return 0


def _interrupt(*_: Any) -> None:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # once is enough: what follows puts things back
    raise _Interrupted
