# SPDX-License-Identifier: Apache-2.0
"""The command `eic-sandbox`: runs the sandbox, and controls a running one."""

from __future__ import annotations

import argparse
import os
import sys
from typing import List, Optional

from .. import __version__
from ..cloud.text import one_line
from . import changes, environment, queries, run
from .control_client import CommandFailed


def main(arguments: Optional[List[str]] = None) -> int:
    """Run `eic-sandbox ARGUMENTS`; gives the exit status: 0 success, 1 failure or "no", 2 usage error."""
    try:
        status = _run_command(build_parser().parse_args(arguments))
        if sys.stdout is not None:  # it is None where the caller closed it
            sys.stdout.flush()
        return status
    except SystemExit as end:  # argparse printed help or a usage error
        return int(end.code or 0)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(f"eic-sandbox: standard output: {error.strerror or error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes standard output again when it exits
        return 1


def build_parser() -> argparse.ArgumentParser:
    """With all commands and their options."""
    parser = argparse.ArgumentParser(
        prog="eic-sandbox",
        description="A stand-in for AWS on this machine: IMDSv2, EC2 Instance Connect, its endpoints, IAM, trail.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"eic-sandbox {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run.add_to(commands)
    queries.add_to(commands)
    environment.add_to(commands)
    changes.add_to(commands)
    return parser


def _run_command(arguments: argparse.Namespace) -> int:
    """Run the chosen command; an error that a user can cause becomes one line."""
    try:
        return int(arguments.command(arguments))
    except CommandFailed as problem:
        return _fail(str(problem))
    except ModuleNotFoundError as error:
        return _fail(f"Python module {error.name}: missing. Install aiohttp, requests, cryptography and PyYAML.")
    except ValueError as error:
        return _fail(str(error))
    except OSError as error:
        if error.filename is None:  # standard output
            raise
        return _fail(f"{error.filename}: {error.strerror or error}. Use another path.")


def _fail(problem: str) -> int:
    print(f"eic-sandbox: {one_line(problem)}", file=sys.stderr)
    return 1
