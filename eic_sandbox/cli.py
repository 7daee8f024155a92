# SPDX-License-Identifier: Apache-2.0
"""The command `eic-sandbox`: runs the sandbox, and controls a running one."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from typing import Any, Dict, List, Optional

import requests

from .cloud.instance import Facts, Instance
from .faults import ALL
from .pki.authority import Pki

_INSTANCE_ID = re.compile(r"i-[0-9a-f]{8,32}")


def main(arguments: Optional[List[str]] = None) -> int:
    """Run `eic-sandbox ARGUMENTS`; gives the exit status: 0 success, 1 failure, 2 usage error."""
    parser = argparse.ArgumentParser(
        prog="eic-sandbox",
        description="A stand-in for AWS on this machine: IMDSv2, SendSSHPublicKey and their PKI.",
        allow_abbrev=False,
    )
    _configure(parser)
    try:
        status = _run_command(parser.parse_args(arguments))
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


def _configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _configure_run(commands.add_parser("run", help="run IMDS, the API and the control until interrupted"))
    for name, run, text in (
        ("status", _status, "where a running sandbox listens and which faults are set"),
        ("faults", _faults, "every fault there is, with what it does"),
        ("fault", _fault, "set a fault"),
        ("clear", _clear, "clear a fault, or all"),
        ("rotate", _rotate, "make a new signer or new staples, or let all tokens expire"),
        ("push", _push, "push a public key, past the API's checks"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=run)
        if run is not _faults:
            command.add_argument(
                "--control", metavar="URL", help="the control's URL (default: what sandbox.json in --directory says)"
            )
            command.add_argument("--directory", default=".", help="the folder that `run --directory` wrote to")
        if run is _fault:
            command.add_argument("name", choices=ALL, metavar="NAME")
            command.add_argument("--path", default="", help="only for IMDS paths that contain this")
            command.add_argument("--times", type=int, help="only for so many requests")
        elif run is _clear:
            command.add_argument("name", nargs="?", choices=ALL, metavar="NAME")
        elif run is _rotate:
            command.add_argument("what", choices=["signer", "staples", "tokens"])
        elif run is _push:
            command.add_argument("user")
            command.add_argument("key", help="a file with one public key")


def _run_command(arguments: argparse.Namespace) -> int:
    """Run the chosen command; an error that a user can cause becomes one line."""
    try:
        return int(arguments.command(arguments))
    except requests.RequestException as error:
        return _say(f"no sandbox answers at its control's URL ({type(error).__name__}); start one: eic-sandbox run")
    except ModuleNotFoundError as error:
        return _say(f"the Python module {error.name} is missing; the sandbox needs aiohttp and cryptography")
    except (OSError, ValueError) as error:
        return _say(str(error))


def _say(problem: str) -> int:
    print(f"eic-sandbox: {problem}", file=sys.stderr)
    return 1


def _configure_run(parser: argparse.ArgumentParser) -> None:
    facts = Facts()
    parser.set_defaults(command=_run)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    for part in ("imds", "api", "control"):
        parser.add_argument(f"--{part}-port", type=int, default=0, metavar="PORT", help="default: any free port")
    parser.add_argument("--directory", help="write root.pem, eic-sshd.conf and sandbox.json there")
    parser.add_argument("--instance-id", default=facts.instance_id, help="default: %(default)s")
    parser.add_argument("--region", default=facts.region, help="default: %(default)s")
    parser.add_argument("--zone", default=facts.zone, help="default: %(default)s")
    parser.add_argument("--domain", default=facts.domain, help="default: %(default)s")
    parser.add_argument("--window", type=int, default=60, help="seconds a pushed key is valid (default: %(default)s)")


def _run(arguments: argparse.Namespace) -> int:
    from .server import Sandbox, serve  # aiohttp is wanted here only

    _check(arguments)
    facts = Facts(arguments.instance_id, arguments.region, arguments.zone, arguments.domain)
    instance = Instance(facts, Pki(facts.region, facts.domain), arguments.window)
    ports = {part: getattr(arguments, f"{part}_port") for part in ("imds", "api", "control")}
    sandbox = Sandbox(instance, arguments.host, ports)

    def ready() -> None:
        if arguments.directory:
            sandbox.describe(arguments.directory)
        for name, url in sandbox.endpoints.items():
            print(f"{name:8} {url}")
        print("ready", flush=True)

    serve(sandbox, ready)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if not _INSTANCE_ID.fullmatch(arguments.instance_id):
        raise ValueError(f"--instance-id {arguments.instance_id}: it is i- and 8 to 32 hex digits")
    for name in ("region", "zone", "domain"):
        if not re.fullmatch(r"[a-z0-9.-]{2,64}", getattr(arguments, name)):
            raise ValueError(f"--{name} {getattr(arguments, name)!r}: it is small letters, digits, dots and dashes")
    if not 1 <= arguments.window <= 86400:
        raise ValueError(f"--window {arguments.window}: it is 1 to 86400 seconds")
    for part in ("imds", "api", "control"):
        if not 0 <= getattr(arguments, f"{part}_port") <= 65535:
            raise ValueError(f"--{part}-port {getattr(arguments, f'{part}_port')}: it is 1 to 65535, or 0 for any")


def _control(arguments: argparse.Namespace) -> str:
    if arguments.control:
        return str(arguments.control).rstrip("/")
    file = os.path.join(arguments.directory, "sandbox.json")
    try:
        with open(file, encoding="utf-8") as text:
            return str(json.load(text)["endpoints"]["control"])
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"{file}: it was not written by `eic-sandbox run --directory`") from None
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file; name the sandbox with --control URL or --directory DIR") from None


def _ask(arguments: argparse.Namespace, method: str, path: str, **more: Any) -> Dict[str, Any]:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, f"{_control(arguments)}/{path}", timeout=5, **more)
    try:
        body: Dict[str, Any] = json.loads(answer.text)
    except ValueError:
        raise ValueError(f"what answers at {answer.url} is no sandbox's control") from None
    if answer.status_code != 200:
        raise ValueError(body.get("error", f"the control answered {answer.status_code}"))
    return body


def _print(body: Dict[str, Any]) -> int:
    print(json.dumps(body, indent=2))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    return _print(_ask(arguments, "GET", "status"))


def _faults(_: argparse.Namespace) -> int:
    for name, text in ALL.items():
        print(f"{name:26} {text}")
    return 0


def _fault(arguments: argparse.Namespace) -> int:
    wanted = {"path": arguments.path, **({"times": arguments.times} if arguments.times is not None else {})}
    return _print(_ask(arguments, "PUT", f"faults/{arguments.name}", params=wanted))


def _clear(arguments: argparse.Namespace) -> int:
    return _print(_ask(arguments, "DELETE", f"faults/{arguments.name}" if arguments.name else "faults"))


def _rotate(arguments: argparse.Namespace) -> int:
    return _print(_ask(arguments, "POST", f"rotate/{arguments.what}"))


def _push(arguments: argparse.Namespace) -> int:
    try:
        with open(arguments.key, encoding="ascii") as file:
            line = file.read().strip()
    except UnicodeDecodeError:
        raise ValueError(f"{arguments.key}: it is no public key") from None
    return _print(_ask(arguments, "POST", "keys", json={"user": arguments.user, "key": line}))
