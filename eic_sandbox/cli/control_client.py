# SPDX-License-Identifier: Apache-2.0
"""Requests to the control API of a running sandbox."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from typing import Any, Dict, Iterator, Mapping, Optional

import requests

_TIMEOUT = 5  # seconds

# What argparse's add_subparsers returns has no public name.
Commands = Any


class CommandFailed(ValueError):
    """A command failed: the sandbox does not answer, or refuses. The message is one line for the user."""


def add_command(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    """A command that talks to a running sandbox."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.add_argument(
        "--control", metavar="URL", help="the control API's URL (default: read from sandbox.json in --directory)"
    )
    command.add_argument("--directory", default=".", help="the directory of `run --directory` (default: .)")
    return command


def control_url(arguments: argparse.Namespace) -> str:
    """The URL of the control API. Raises CommandFailed."""
    if arguments.control:
        return str(arguments.control).rstrip("/")
    file = os.path.join(arguments.directory, "sandbox.json")
    try:
        with open(file, encoding="utf-8") as text:
            return str(json.load(text)["endpoints"]["control"])
    except (ValueError, LookupError, TypeError, RecursionError):
        raise CommandFailed(f"{file}: not a file of `eic-sandbox run --directory`. Use another --directory.") from None
    except FileNotFoundError:
        raise CommandFailed(f"{file}: no such file. Use --control URL or --directory DIR.") from None


def call(
    arguments: argparse.Namespace,
    method: str,
    path: str,
    query: Optional[Mapping[str, Optional[str]]] = None,
    body: Optional[Mapping[str, object]] = None,
) -> Dict[str, Any]:
    """The answer of the control API to a request for `path`, which is quoted already. Raises CommandFailed."""
    url = f"{control_url(arguments)}/{path}"
    chosen = {name: value for name, value in (query or {}).items() if value is not None}
    try:
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(method, url, timeout=_TIMEOUT, params=chosen, json=body, allow_redirects=False)
    except requests.RequestException as error:
        problem = f"control API: no answer from {url} ({type(error).__name__}). Start a sandbox: eic-sandbox run."
        raise CommandFailed(problem) from None
    try:
        answer = json.loads(response.text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise CommandFailed(f"{response.url}: not a sandbox's control API. Use another --control URL.")
    if response.status_code != 200:
        raise CommandFailed(str(answer.get("error", f"control API: status {response.status_code}")))
    return answer


@contextlib.contextmanager
def members_of_answer() -> Iterator[None]:
    """Raises CommandFailed where a member that the block reads is missing, or is not of its type."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError):
        problem = "control API: an answer that this eic-sandbox does not know. Use the version that runs."
        raise CommandFailed(problem) from None


def show(answer: Mapping[str, object]) -> int:
    """Print an answer; gives the exit status."""
    print(json.dumps(answer, indent=2))
    return 0
