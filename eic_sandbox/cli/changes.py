# SPDX-License-Identifier: Apache-2.0
"""The commands that change a running sandbox: faults, rotations, pushes, policies, instances, sessions."""

from __future__ import annotations

import argparse
from typing import Dict
from urllib.parse import quote

from ..faults import ALL
from ..iam.document import decode
from .control_client import CommandFailed, Commands, add_command, call, show

_MAX_FILE = 256 * 1024  # characters, more than a policy may have


def add_to(commands: Commands) -> None:
    """Add the commands."""
    _add_faults(commands)
    command = add_command(commands, "rotate", "make a new signer or new staples, or expire every token")
    command.add_argument("what", choices=["signer", "staples", "tokens"])
    command.add_argument("--instance", metavar="ID", help="only of this instance (the signer: of its Region)")
    command.set_defaults(
        command=lambda it: show(call(it, "POST", f"rotate/{it.what}", query={"instance": it.instance}))
    )
    command = add_command(commands, "push", "push a public key without the checks of the API")
    command.add_argument("user")
    command.add_argument("key", metavar="FILE", help="a file that contains one public key")
    command.add_argument("--instance", metavar="ID", help="only to this instance (default: to all)")
    command.set_defaults(command=_push)
    _add_policies(commands)
    for change, text in (("stop", "stop an instance"), ("start", "start a stopped instance")):
        command = add_command(commands, change, text)
        command.add_argument("instance", metavar="ID")
        command.set_defaults(
            command=lambda it, change=change: show(
                call(it, "POST", f"instances/{quote(it.instance, safe='')}/{change}")
            )
        )


def _add_faults(commands: Commands) -> None:
    command = add_command(commands, "fault", "set a fault")
    command.add_argument("name", choices=tuple(ALL), metavar="NAME")
    command.add_argument("--path", default="", help="only for IMDS paths that contain this text")
    command.add_argument("--times", type=int, help="only for this number of requests")
    command.add_argument("--instance", metavar="ID", help="only at this instance (default: at all)")
    command.set_defaults(command=_fault)
    command = add_command(commands, "clear", "clear one fault, or all")
    command.add_argument("name", nargs="?", choices=tuple(ALL), metavar="NAME")
    command.add_argument("--instance", metavar="ID", help="only at this instance (default: at all)")
    command.set_defaults(command=_clear)


def _add_policies(commands: Commands) -> None:
    command = add_command(commands, "attach", "attach a policy to a user or role")
    command.add_argument("name", help="a user or role")
    command.add_argument("policy", help="the name of a policy")
    command.add_argument("--file", help="the policy in JSON (default: the world file's policy of this name)")
    command.set_defaults(command=_attach)
    command = add_command(commands, "detach", "detach a policy from a user or role")
    command.add_argument("name", help="a user or role")
    command.add_argument("policy", help="the name of an attached policy")
    command.set_defaults(
        command=lambda it: show(call(it, "DELETE", "policies", body={"from": it.name, "policy": it.policy}))
    )
    command = add_command(commands, "revoke", "deny everything to the sessions of a role that began until now")
    command.add_argument("role")
    command.set_defaults(command=lambda it: show(call(it, "POST", "revoke", body={"role": it.role})))


def _fault(arguments: argparse.Namespace) -> int:
    times = None if arguments.times is None else str(arguments.times)
    query = {"path": arguments.path, "times": times, "instance": arguments.instance}
    return show(call(arguments, "PUT", f"faults/{arguments.name}", query=query))


def _clear(arguments: argparse.Namespace) -> int:
    path = f"faults/{arguments.name}" if arguments.name else "faults"
    return show(call(arguments, "DELETE", path, query={"instance": arguments.instance}))


def _push(arguments: argparse.Namespace) -> int:
    try:
        with open(arguments.key, encoding="ascii") as file:
            line = file.read(8192).strip()
    except UnicodeDecodeError:
        raise CommandFailed(f"{arguments.key}: not a public key. Use a file that contains one public key.") from None
    body = {"user": arguments.user, "key": line}
    return show(call(arguments, "POST", "keys", query={"instance": arguments.instance}, body=body))


def _attach(arguments: argparse.Namespace) -> int:
    body: Dict[str, object] = {"to": arguments.name, "policy": arguments.policy}
    if arguments.file is not None:
        try:
            with open(arguments.file, encoding="utf-8") as file:
                body["document"] = decode(file.read(_MAX_FILE), arguments.file)
        except UnicodeDecodeError:
            raise CommandFailed(f"{arguments.file}: not UTF-8. Use a file that contains one policy.") from None
    return show(call(arguments, "PUT", "policies", body=body))
