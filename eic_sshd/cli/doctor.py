# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd doctor`: names the root cause why pushed keys do not log in, and the command that corrects it."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Callable

from ..diagnose.check import ABOUT, Result
from ..diagnose.finding import exit_status

if TYPE_CHECKING:
    from ..diagnose.root_cause import Diagnosis

HELP = "report why pushed keys do not log in on this machine: the root cause, and the command that corrects it"
EXAMPLE = """\
Look at everything, and at the login of one user from one address:
  eic-sshd doctor --user ec2-user --addr 192.0.2.7
For a bug report, without what names people, accounts and machines:
  eic-sshd doctor --json --redact
"""
EXIT_STATUS = {1: "There is a finding of the severity of `--fail-on`."}
_SECONDS = 9.0  # for all checks; with the start and the output, doctor takes at most 10 s
_START_SECONDS = 3.0  # for an sshd that is starting


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `eic-sshd doctor`."""
    parser.add_argument("--user", help="look at a login as this user too (AllowUsers, shell, expired account, PAM)")
    parser.add_argument("--addr", metavar="ADDRESS", type=_address, help="the client's address in that login")
    parser.add_argument(
        "--only",
        action="append",
        metavar="CHECK",
        choices=list(ABOUT),
        help=f"make this check only: {', '.join(ABOUT)}",
    )
    parser.add_argument("--skip", action="append", metavar="CHECK", choices=list(ABOUT), help="leave this check out")
    parser.add_argument(
        "--fail-on",
        choices=("problem", "warning"),
        default="problem",
        help="end with status 1 if there is one (default: problem); what is unknown counts as a warning",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON, whose form /usr/share/doc/eic-sshd/docs/doctor.md describes"
    )
    parser.add_argument(
        "--redact",
        action="store_true",
        help="replace ARNs, accounts, addresses, public keys, fingerprints, request ids, instance ids and the name of "
        "--user",
    )


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


def run(arguments: argparse.Namespace) -> int:
    """Make the checks, and print what they find. Returns 1 if a finding is one to --fail-on, 2 for a usage error."""
    from ..diagnose import check, checklist, root_cause
    from ..model.redaction import Redaction
    from ..sshd.processes import Processes
    from ._admin import this_site
    from ._doctor_output import as_json, lines

    wrong = _wrong(arguments)
    if wrong:
        print(f"eic-sshd: {wrong}", file=sys.stderr)
        return 2
    width = max(shutil.get_terminal_size().columns, 80)
    is_root = os.geteuid() == 0
    site = this_site()._replace(processes=Processes(start_timeout=_START_SECONDS))
    question = checklist.Question(site, arguments.user, arguments.addr)
    chosen = [one for one in checklist.checks(question) if _is_chosen(one.name, arguments)]
    diagnosis = root_cause.diagnose(check.run(chosen, _SECONDS, is_root))
    if arguments.redact:
        diagnosis = _redacted(diagnosis, Redaction(arguments.user).text)
    if arguments.json:
        print(json.dumps(as_json(diagnosis, is_root), indent=2))
    else:
        for line in lines(diagnosis, width, sys.stdout):
            print(line)
    return exit_status(arguments.fail_on, [result.finding for result in diagnosis.shown])


def _wrong(arguments: argparse.Namespace) -> str:
    """What is wrong with the arguments together; empty if nothing is. No check at all would find nothing wrong."""
    if arguments.addr is not None and arguments.user is None:
        return "--addr: it needs --user."
    if arguments.user is None and "login" in (arguments.only or []):
        return "--only login: it needs --user."
    possible = [name for name in ABOUT if name != "login" or arguments.user is not None]
    if not any(_is_chosen(name, arguments) for name in possible):
        return "--only, --skip: no check is left to make."
    return ""


def _is_chosen(name: str, arguments: argparse.Namespace) -> bool:
    return (not arguments.only or name in arguments.only) and name not in (arguments.skip or [])


def _redacted(diagnosis: Diagnosis, redact: Callable[[str], str]) -> Diagnosis:
    """The diagnosis with the texts for people redacted; codes and names of checks stay."""

    def of(result: Result) -> Result:
        found = result.finding
        subject, problem, remedy = map(redact, (found.subject, found.problem, found.remedy))
        return replace(result, finding=replace(found, subject=subject, problem=problem, remedy=remedy))

    results = [replace(one, result=of(one.result)) for one in diagnosis.results]
    return replace(diagnosis, results=results, root_cause=diagnosis.root_cause and of(diagnosis.root_cause))
