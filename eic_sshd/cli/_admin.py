# SPDX-License-Identifier: Apache-2.0
"""What the subcommands that change this machine have in common."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from typing import Callable

from ..host.errors import MachineError
from ..setup import SshdStillConfigured
from ..setup.lock import exclusive_lock
from ..setup.services import Services
from ..setup.target import Target
from ..sshd.processes import Processes
from ..sshd.program import Sshd
from ..sshd.site import Site
from .output import report

# The meaning of exit status 1.
CHANGE_FAILED = (
    "Failure, with a message on standard error. Nothing is changed, or all changes are rolled back. The one exception "
    "is an sshd that was reloaded but is not listening: then all changes are made."
)
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class _Interrupted(BaseException):
    """A signal arrived, or the terminal's connection broke: changes are rolled back first."""


def configure_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and change nothing")


def this_site() -> Site:
    """The machine on which it runs, to read."""
    return Site(Sshd(), Processes())


def run_as_admin(arguments: argparse.Namespace, change: Callable[[Target], None]) -> int:
    """Run `change` on this machine.

    Returns the exit status: 0 success; 1 failure, with a message on standard error; 3 failure, and sshd may still run
    eic-sshd (the packages' scripts use that).
    """
    if os.geteuid() != 0:
        report("sshd's configuration: only root can change it. Run this command as root.", sys.stderr)
        return 1
    os.umask(0o022)  # sshd and other users read the files
    site = this_site()
    target = Target(site, Services(report, arguments.dry_run, site.processes), report, arguments.dry_run)
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        with contextlib.nullcontext() if arguments.dry_run else exclusive_lock(report):
            change(target)
    except MachineError as failure:
        report(str(failure), sys.stderr)
        return 3 if isinstance(failure, SshdStillConfigured) else 1
    except _Interrupted:
        report("interrupted. All changes are rolled back, unless a message above says otherwise.", sys.stderr)
        return 1
    return 0


def _interrupt(*_: object) -> None:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # a second signal must not stop the rollback
    raise _Interrupted
