# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd explain`: decides as for a login, and prints each rule with what was seen."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import sys
from typing import TYPE_CHECKING, ContextManager, Optional

from ..host.accounts import acting_as
from ..host.errors import MachineError
from ..host.process import isolate
from ..imds.saved import LAST_SECOND
from ..paths import ACCOUNT, OUR_CONFIG
from .output import style

if TYPE_CHECKING:
    from ..model.redaction import Redaction
    from ._explain_json import Json

HELP = "decide now whether a pushed key may log in as USER, and print each rule with what was seen"
EXAMPLE = """\
Why a key that was just pushed does not log in:
  eic-sshd explain ec2-user ~/.ssh/id_ed25519.pub
Keep what IMDS answered, and decide on it again on another machine:
  eic-sshd explain ec2-user --save /root/case-1
  eic-sshd explain --from case-1
Whether an IAM user may log in as root, by [users] and [policy]:
  eic-sshd explain --caller arn:aws:iam::123456789012:user/alice root
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `eic-sshd explain`."""
    parser.add_argument("user", metavar="USER", nargs="?", help="the OS user (with --from, by default the saved one)")
    parser.add_argument(
        "key",
        metavar="FINGERPRINT|KEYFILE|-",
        nargs="?",
        help="the key that the SSH client offers: its fingerprint, the file of its public key, or - to read the public "
        "key from standard input (default: any key)",
    )
    parser.add_argument("--config", metavar="FILE", help=f"the configuration file (default: {OUR_CONFIG})")
    parser.add_argument(
        "--json", action="store_true", help="print JSON, whose form /usr/share/doc/eic-sshd/docs/explain.md describes"
    )
    parser.add_argument(
        "--redact",
        action="store_true",
        help="replace callers, accounts, users, keys, request ids, instance ids and addresses by marks",
    )
    parser.add_argument(
        "--caller",
        metavar="ARN",
        help="whether a key that this caller pushes may log in as USER, by [users] and [policy]; IMDS is not read",
    )
    saved = parser.add_mutually_exclusive_group()
    saved.add_argument(
        "--save",
        metavar="DIR",
        help="make the folder DIR and keep IMDS's answers in it; with --redact it holds verdicts only",
    )
    saved.add_argument(
        "--from", dest="saved", metavar="DIR", help="decide on the answers that --save kept in DIR; IMDS is not read"
    )
    parser.add_argument(
        "--as-of",
        metavar="TIME",
        type=_time,
        help="with --from: decide as at this time, in seconds since the epoch or as 2026-01-31T12:00:00Z (default: "
        "when the answers were saved)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation. Returns 0 if it was made, whatever was decided; 1 if it was not; 2 for wrong arguments."""
    isolate(keep=("NO_COLOR", "TERM"))
    return explain(arguments, acting_as(ACCOUNT) if os.geteuid() == 0 else contextlib.nullcontext())


def explain(arguments: argparse.Namespace, deciding: Optional[ContextManager[None]] = None) -> int:
    """As `run`, in the environment as it is; it decides within the context `deciding`."""
    from ._explain_key import fingerprint_of

    try:
        _refuse_private_keys(arguments)
        if arguments.as_of is not None and arguments.saved is None:
            raise MachineError("--as-of", "it needs --from", "Without --from, explain decides now")
        if arguments.caller is not None and (arguments.key or arguments.save or arguments.saved):
            raise MachineError("--caller", "it can be used with USER only", "Remove the key, --save or --from")
        if arguments.user is None and arguments.saved is None:
            raise MachineError("USER", "it is missing", "See `eic-sshd explain --help`")
        fingerprint = None if arguments.key is None else fingerprint_of(arguments.key)
    except MachineError as wrong:
        print(f"eic-sshd: {wrong}", file=sys.stderr)
        return 2
    try:
        if arguments.caller is None:
            _print(arguments, fingerprint, deciding or contextlib.nullcontext())
        else:
            _print_caller(arguments, deciding or contextlib.nullcontext())
    except MachineError as problem:
        print(f"eic-sshd: {_redacted(str(problem), arguments)}", file=sys.stderr)
        return 1
    return 0


def _refuse_private_keys(arguments: argparse.Namespace) -> None:
    """Nothing is made or printed of arguments that hold one. Raises MachineError."""
    from ._explain_key import may_be_private

    given = {
        "USER": arguments.user,
        "--config": arguments.config,
        "--caller": arguments.caller,
        "--save": arguments.save,
        "--from": arguments.saved,
    }
    for name, text in given.items():
        if text is not None and may_be_private(text):
            raise MachineError(
                name, "it is a private key, or may be a line of one (not shown)", "Write a path with its folder: ./NAME"
            )


def _redacted(problem: str, arguments: argparse.Namespace) -> str:
    """The message, redacted if the output is to be."""
    from ..model.redaction import Redaction

    return Redaction(arguments.user).text(problem) if arguments.redact else problem


def _print(arguments: argparse.Namespace, fingerprint: Optional[str], deciding: ContextManager[None]) -> None:
    """Decide, save what was found, and print it. Raises MachineError."""
    from ..host.new_folder import NewFolder
    from ._explain_json import document
    from ._explain_redaction import redaction_of
    from ._explain_run import Question, answer, keep
    from ._explain_text import lines

    question = Question(arguments.user, fingerprint, arguments.config, arguments.saved, arguments.as_of)
    folder = None if arguments.save is None else NewFolder.create(arguments.save)
    try:
        found = answer(question, deciding)
        redaction = redaction_of(found.report) if arguments.redact else None
        made = _as_json(document(found.report, arguments.redact), redaction)
        if folder is not None:
            keep(folder, found, made, is_redacted=arguments.redact)
            folder.close()
    except BaseException:
        if folder is not None:
            folder.remove()
        raise
    show = str if redaction is None else redaction.text
    if arguments.json:
        print(made)
    else:
        print("\n".join(lines(found.report, _style, show)))
        if folder is not None:
            held = "verdicts, and none of IMDS's answers" if arguments.redact else "IMDS's answers: keep it private"
            print(f"\n{show(arguments.save)} holds {held}.")


def _print_caller(arguments: argparse.Namespace, deciding: ContextManager[None]) -> None:
    from ._explain_caller import answer, document, lines
    from ._explain_redaction import redaction_of_caller

    found = answer(arguments.caller, arguments.user, arguments.config, deciding)
    redaction = redaction_of_caller(found) if arguments.redact else None
    if arguments.json:
        print(_as_json(document(found, arguments.redact), redaction))
    else:
        print("\n".join(lines(found, _style, str if redaction is None else redaction.text)))


def _as_json(document: Json, redaction: Optional[Redaction]) -> str:
    return json.dumps(document if redaction is None else redaction.value(document), indent=2)


def _style(text: str, kind: str) -> str:
    return style(text, kind, sys.stdout, os.environ)


def _time(text: str) -> float:
    """The time that `text` gives, in seconds since the epoch. Raises argparse.ArgumentTypeError."""
    try:
        if text.isascii() and text.isdigit():
            seconds = float(text[:16])
        else:
            moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.timezone.utc)
            seconds = moment.timestamp()
    except (ValueError, OverflowError):
        seconds = -1
    if not 0 <= seconds <= LAST_SECOND:
        raise argparse.ArgumentTypeError("neither seconds since the epoch nor a time such as 2026-01-31T12:00:00Z")
    return seconds
