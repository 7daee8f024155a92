# SPDX-License-Identifier: Apache-2.0
"""eic-sshd for people: one module a subcommand.

A subcommand's module has `HELP` (a line), `EXAMPLE` (a sentence that ends with a colon, then its command lines, each
indented by two blanks; or several of these), `configure(parser)` and `run(arguments) -> exit status`; and
`EXIT_STATUS`, the meaning of each status that differs from that of `main`. The name of a subcommand is that of its
module, with `-` for `_`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from typing import List, NoReturn, Optional, Sequence

from .. import __version__
from .output import make_usable

_SUBCOMMANDS = ("check_config", "disable", "doctor", "enable", "explain", "log", "serve")


def main(arguments: Optional[List[str]] = None) -> int:
    """Run `eic-sshd ARGUMENTS`.

    Returns the exit status: 0 success; 1 failure, with a message on standard error; 2 usage error.
    """
    make_usable()
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # Subcommands handle errors of the files that they read: this one is of standard output.
        print(f"eic-sshd: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter would report it again when it exits
        return 1


def _run(arguments: Optional[List[str]]) -> int:
    given = _joined(sys.argv[1:] if arguments is None else arguments)
    try:
        parsed = build_parser(given).parse_args(given)
    except SystemExit as end:  # help was printed, or the arguments are invalid
        return int(end.code or 0)
    return int(parsed.run(parsed))


def _joined(arguments: Sequence[str]) -> List[str]:
    """With `--since=-2h` for `--since -2h`: argparse would take the value for an option."""
    found: List[str] = []
    for argument in arguments:
        if found and re.match("-[0-9]", argument) and re.fullmatch("--[a-z]+", found[-1]):
            found[-1] += f"={argument}"
        else:
            found.append(argument)
    return found


class _Parser(argparse.ArgumentParser):
    """Its help ends with examples, whose lines stay as they are. Its errors never repeat a line of a private key."""

    examples = ""
    arguments: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        from ._explain_key import is_private, may_be_private

        has_key = is_private(message) or any(map(may_be_private, self.arguments))
        super().error("an argument is a private key, or may be a line of one; it is not shown" if has_key else message)

    def format_help(self) -> str:
        lines = ["", "examples:", *(f"  {line}" for line in self.examples.splitlines())] if self.examples else []
        return super().format_help() + "".join(f"{line}\n" for line in lines)


def build_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """With the subcommand that `arguments` begin with, or with all if there is none: importing them takes time."""
    parser = _Parser(
        prog="eic-sshd", description="Keys pushed through EC2 Instance Connect, for sshd.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"eic-sshd {__version__}")
    parser.arguments = arguments
    subparsers = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    chosen = list(arguments[:1])
    for module in [name for name in _SUBCOMMANDS if [name.replace("_", "-")] == chosen] or _SUBCOMMANDS:
        subcommand = importlib.import_module(f"{__name__}.{module}")
        sub = subparsers.add_parser(
            module.replace("_", "-"), help=subcommand.HELP, description=subcommand.HELP, allow_abbrev=False
        )
        sub.examples, sub.arguments = subcommand.EXAMPLE, arguments
        subcommand.configure(sub)
        sub.set_defaults(run=subcommand.run)
    return parser
