# SPDX-License-Identifier: Apache-2.0
"""The commands that change nothing: `eic-sandbox status`, `faults`, `can`, `trail`."""

from __future__ import annotations

import argparse
import json
from typing import Dict, List

from ..cloud.text import one_line
from ..faults import ALL
from .control_client import CommandFailed, Commands, add_command, call, members_of_answer, show


def add_to(commands: Commands) -> None:
    """Add the commands."""
    command = add_command(commands, "status", "print the URLs, instances, endpoints and faults of a running sandbox")
    command.set_defaults(command=lambda arguments: show(call(arguments, "GET", "status")))
    text = "list every fault"
    commands.add_parser("faults", help=text, description=text, allow_abbrev=False).set_defaults(command=_faults)
    _add_can(commands)
    command = add_command(commands, "trail", "print the events of the trail, one a line, the oldest first")
    command.set_defaults(command=_trail)


def _add_can(commands: Commands) -> None:
    command = add_command(commands, "can", "print whether policies allow a request, and which statement decides")
    command.add_argument("principal", help="a user, a session (ROLE/SESSION), or an ARN")
    command.add_argument("action", help="such as ec2-instance-connect:OpenTunnel")
    command.add_argument("resource", help="an ARN, *, or the id of an instance or endpoint, whose tags then count")
    command.add_argument(
        "--context",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a condition key; again: one more of its values, or another key",
    )
    command.set_defaults(command=_can)


def _faults(_: argparse.Namespace) -> int:
    for name, text in ALL.items():
        print(f"{name:31} {text}")
    return 0


def _can(arguments: argparse.Namespace) -> int:
    given: Dict[str, List[str]] = {}
    for one in arguments.context:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise CommandFailed(f"--context: not KEY=VALUE ({one!r}). Use e.g. aws:SourceIp=192.0.2.1.")
        given.setdefault(key, []).append(value)
    body = {"principal": arguments.principal, "action": arguments.action, "resource": arguments.resource}
    answer = call(arguments, "POST", "can", body={**body, "context": given})
    with members_of_answer():
        allowed, policy, statement, message = (answer[one] for one in ("allowed", "policy", "statement", "message"))
    decides = "no statement allows it" if statement is None else f"{statement} of {policy}"
    print(one_line(f"{'yes' if allowed else 'no'}: {decides}"))
    if message:
        print(one_line(message))
    return 0 if allowed else 1


def _trail(arguments: argparse.Namespace) -> int:
    answer = call(arguments, "GET", "trail")
    with members_of_answer():
        lines = [json.dumps(event) for event in answer["Records"]]
    for line in lines:
        print(line)
    return 0
