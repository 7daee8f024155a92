# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd log`: who logged in as whom, from where, by which key and until when; and why a login was refused."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Callable

from ..paths import OUR_CONFIG
from . import _log_times

if TYPE_CHECKING:
    from ._log_source import Machine

HELP = "show who logged in, by which key, from where and until when, and why logins were refused"
EXAMPLE = """\
Logins and refusals of the last two hours:
  eic-sshd log --since 2h
Who holds the present login session, of all who share the account (as root):
  eic-sshd log --session
Logins beside CloudTrail's events of pushed keys:
  eic-sshd log --since 7d --trail FOLDER"""

EXIT_STATUS = {1: "The log cannot be read, or no open session has this id; a message on standard error says which."}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `eic-sshd log`."""
    time_type = _log_times.microseconds
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=time_type,
        help=f"only connections that began then or later (default: 7 days ago). TIME is {_log_times.HELP}",
    )
    parser.add_argument("--until", metavar="TIME", type=time_type, help="only connections that began then or before")
    parser.add_argument("--user", metavar="USER", help="only of this OS user")
    parser.add_argument("--caller", metavar="TEXT", help="only with a key whose caller's ARN contains TEXT")
    parser.add_argument(
        "--reason", metavar="REASON", type=_reason, help="only with a decision for this reason, such as expired"
    )
    parser.add_argument("--fingerprint", metavar="FINGERPRINT", help="only with a key whose fingerprint begins so")
    parser.add_argument(
        "--all", action="store_true", help="also connections that ended before sshd ran eic-sshd, such as scans"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object a line (/usr/share/doc/eic-sshd/docs/audit.md)"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--follow", action="store_true", help="go on, and print logins and refusals as they come")
    kind.add_argument("--stats", action="store_true", help="print counts, and how long decisions took")
    kind.add_argument(
        "--session",
        metavar="ID",
        nargs="?",
        const="",
        help="print who holds the open login session ID of systemd-logind (default: this process's own session)",
    )
    kind.add_argument(
        "--trail",
        metavar="FILE",
        help="compare with CloudTrail's events: a log file, a folder of such files, or the output of "
        "`aws cloudtrail lookup-events`",
    )
    parser.add_argument("--config", metavar="FILE", help=f"the configuration file (default: {OUR_CONFIG})")


def _reason(text: str) -> str:
    """Raises ArgumentTypeError."""
    from ..model.reasons import Reason

    words = [reason.word for reason in Reason]
    if text in words:
        return text
    from difflib import get_close_matches

    near = get_close_matches(text, words) or words
    raise argparse.ArgumentTypeError(
        f"{text!r} is no reason. Use {', '.join(near[:-1])}{' or ' * (len(near) > 1)}{near[-1]}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print it.

    Returns 0; 1 if the log cannot be read, or there is no such session; 2 for options that exclude one another.
    """
    from ._log_source import this_machine

    return run_on(lambda: this_machine(arguments.config), arguments)


def run_on(machine: Callable[[], Machine], arguments: argparse.Namespace) -> int:
    """As `run`, of that machine."""
    from ..log.reader import CannotRead
    from ..log.record import clean
    from ..log.trail_files import UnreadableTrail
    from ._log_run import Run

    if arguments.until is not None and (arguments.follow or arguments.session is not None):
        print("eic-sshd: --until: it cannot be used with --follow or --session. Remove one of them.", file=sys.stderr)
        return 2
    try:
        return Run(arguments, machine(), sys.stdout).run()
    except (CannotRead, UnreadableTrail) as problem:
        print(f"eic-sshd: {clean(str(problem))}", file=sys.stderr)  # names of files may have any character
        return 1
