# SPDX-License-Identifier: Apache-2.0
"""eic-sshd for people: one module a subcommand.

A subcommand's module has `HELP` (a line), `configure(parser)` and `run(arguments) -> exit status`. Its name is the
module's with `-` for `_`; which there are is what lies in this folder, but for names with a leading `_`, so that a
package may add one.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from typing import List, Optional

from .. import __version__
from ._streams import make_usable


def main(arguments: Optional[List[str]] = None) -> int:
    """Run `eic-sshd ARGUMENTS`; the exit status: 0 done, 1 a fault that was said, 2 wrong arguments."""
    make_usable()
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # What subcommands read and listen on they answer for themselves: here it is what they print to.
        print(f"eic-sshd: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter would complain once more at its end
        return 1


def _run(arguments: Optional[List[str]]) -> int:
    try:
        parsed = _parser(arguments).parse_args(arguments)
    except SystemExit as end:  # help was printed, or arguments are wrong
        return int(end.code or 0)
    return int(parsed.run(parsed))


def _parser(arguments: Optional[List[str]]) -> argparse.ArgumentParser:
    """With all subcommands, or with the one that is asked for, if there is one of that name: others cost time."""
    parser = argparse.ArgumentParser(
        prog="eic-sshd", description="Keys pushed through EC2 Instance Connect, for sshd.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"eic-sshd {__version__}")
    subparsers = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))
    chosen = (sys.argv[1:] if arguments is None else arguments)[:1]
    for module in [name for name in names if [name.replace("_", "-")] == chosen] or names:
        subcommand = importlib.import_module(f"{__name__}.{module}")
        sub = subparsers.add_parser(
            module.replace("_", "-"), help=subcommand.HELP, description=subcommand.HELP, allow_abbrev=False
        )
        subcommand.configure(sub)
        sub.set_defaults(run=subcommand.run)
    return parser
