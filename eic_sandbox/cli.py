# SPDX-License-Identifier: Apache-2.0
"""The command `eic-sandbox`: runs the sandbox, and controls a running one."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from typing import Dict, List, Mapping, Optional

import requests

from . import __version__
from .cloud.instance import Instance
from .faults import ALL
from .imds.metadata import InstanceMetadata
from .pki.authority import Pki

_INSTANCE_ID = re.compile(r"i-[0-9a-f]{8,32}")
_REQUEST_TIMEOUT = 5  # seconds


def main(arguments: Optional[List[str]] = None) -> int:
    """Run `eic-sandbox ARGUMENTS`; gives the exit status: 0 success, 1 failure, 2 usage error."""
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
        description="A stand-in for AWS on this machine: IMDSv2, SendSSHPublicKey and their PKI.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"eic-sandbox {__version__}")
    _configure(parser)
    return parser


def _configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _configure_run(commands.add_parser("run", help="serve IMDS, the API and the control API until interrupted"))
    for name, run, text in (
        ("status", _status, "print the URLs, the instance and the faults of a running sandbox"),
        ("faults", _faults, "list every fault"),
        ("fault", _fault, "set a fault"),
        ("clear", _clear, "clear one fault, or all"),
        ("rotate", _rotate, "make a new signer or new staples, or expire every token"),
        ("push", _push, "push a public key without the checks of the API"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=run)
        if run is not _faults:
            command.add_argument(
                "--control",
                metavar="URL",
                help="the control API's URL (default: read from sandbox.json in --directory)",
            )
            command.add_argument("--directory", default=".", help="the directory of `run --directory` (default: .)")
        if run is _fault:
            command.add_argument("name", choices=tuple(ALL), metavar="NAME")
            command.add_argument("--path", default="", help="only for IMDS paths that contain this text")
            command.add_argument("--times", type=int, help="only for this number of requests")
        elif run is _clear:
            command.add_argument("name", nargs="?", choices=tuple(ALL), metavar="NAME")
        elif run is _rotate:
            command.add_argument("what", choices=["signer", "staples", "tokens"])
        elif run is _push:
            command.add_argument("user")
            command.add_argument("key", metavar="FILE", help="a file that contains one public key")


def _run_command(arguments: argparse.Namespace) -> int:
    """Run the chosen command; an error that a user can cause becomes one line."""
    try:
        return int(arguments.command(arguments))
    except requests.RequestException as error:
        return _fail(f"control API: no answer ({type(error).__name__}). Start a sandbox: eic-sandbox run.")
    except ModuleNotFoundError as error:
        return _fail(f"Python module {error.name}: missing. Install aiohttp, requests and cryptography.")
    except ValueError as error:
        return _fail(str(error))
    except OSError as error:
        if error.filename is None:  # standard output
            raise
        return _fail(f"{error.filename}: {error.strerror or error}.")


def _fail(problem: str) -> int:
    print(f"eic-sandbox: {problem}", file=sys.stderr)
    return 1


def _configure_run(parser: argparse.ArgumentParser) -> None:
    metadata = InstanceMetadata()
    parser.set_defaults(command=_run)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    for part in ("imds", "api", "control"):
        parser.add_argument(f"--{part}-port", type=int, default=0, metavar="PORT", help="default: any free port")
    parser.add_argument("--directory", help="write root.pem, eic-sshd.conf and sandbox.json to this directory")
    parser.add_argument("--instance-id", default=metadata.instance_id, help="default: %(default)s")
    parser.add_argument("--region", default=metadata.region, help="default: %(default)s")
    parser.add_argument("--zone", default=metadata.zone, help="default: %(default)s")
    parser.add_argument("--domain", default=metadata.domain, help="default: %(default)s")
    parser.add_argument(
        "--window", type=int, default=60, help="seconds for which a key is valid (default: %(default)s)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from .server import Ports, Sandbox, serve  # only this command needs aiohttp

    _require_valid(arguments)
    metadata = InstanceMetadata(arguments.instance_id, arguments.region, arguments.zone, arguments.domain)
    instance = Instance(metadata, Pki(metadata.region, metadata.domain), arguments.window)
    ports = Ports(arguments.imds_port, arguments.api_port, arguments.control_port)
    sandbox = Sandbox(instance, arguments.host, ports)

    def ready() -> None:
        if arguments.directory:
            sandbox.describe(arguments.directory)
        for name, url in sandbox.endpoints.items():
            print(f"{name:8} {url}")
        print("ready", flush=True)

    serve(sandbox, ready)
    return 0


def _require_valid(arguments: argparse.Namespace) -> None:
    if not _INSTANCE_ID.fullmatch(arguments.instance_id):
        raise ValueError(f"--instance-id: invalid ({arguments.instance_id!r}). Use i- and 8 to 32 hexadecimal digits.")
    for name in ("region", "zone", "domain"):
        if not re.fullmatch(r"[a-z0-9.-]{2,64}", getattr(arguments, name)):
            value = getattr(arguments, name)
            raise ValueError(f"--{name}: invalid ({value!r}). Use lower-case letters, digits, dots and hyphens.")
    if not 1 <= arguments.window <= 86400:
        raise ValueError(f"--window: out of range ({arguments.window}). Use 1 to 86400 seconds.")
    for part in ("imds", "api", "control"):
        port = getattr(arguments, f"{part}_port")
        if not 0 <= port <= 65535:
            raise ValueError(f"--{part}-port: out of range ({port}). Use 1 to 65535, or 0 for any free port.")


def _control_url(arguments: argparse.Namespace) -> str:
    if arguments.control:
        return str(arguments.control).rstrip("/")
    file = os.path.join(arguments.directory, "sandbox.json")
    try:
        with open(file, encoding="utf-8") as text:
            return str(json.load(text)["endpoints"]["control"])
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"{file}: not a file of `eic-sandbox run --directory`. Use another --directory.") from None
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file. Use --control URL or --directory DIR.") from None


def _request(
    arguments: argparse.Namespace,
    method: str,
    path: str,
    query: Optional[Mapping[str, str]] = None,
    body: Optional[Mapping[str, str]] = None,
) -> int:
    """Send a request to the control API and print its answer."""
    with requests.Session() as session:
        session.trust_env = False
        url = f"{_control_url(arguments)}/{path}"
        response = session.request(method, url, timeout=_REQUEST_TIMEOUT, params=query, json=body)
    try:
        answer: Dict[str, object] = json.loads(response.text)
    except ValueError:
        raise ValueError(f"{response.url}: not a sandbox's control API. Use another --control URL.") from None
    if response.status_code != 200:
        raise ValueError(answer.get("error", f"control API: status {response.status_code}"))
    print(json.dumps(answer, indent=2))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    return _request(arguments, "GET", "status")


def _faults(_: argparse.Namespace) -> int:
    for name, text in ALL.items():
        print(f"{name:31} {text}")
    return 0


def _fault(arguments: argparse.Namespace) -> int:
    limits = {"path": arguments.path, **({"times": str(arguments.times)} if arguments.times is not None else {})}
    return _request(arguments, "PUT", f"faults/{arguments.name}", query=limits)


def _clear(arguments: argparse.Namespace) -> int:
    return _request(arguments, "DELETE", f"faults/{arguments.name}" if arguments.name else "faults")


def _rotate(arguments: argparse.Namespace) -> int:
    return _request(arguments, "POST", f"rotate/{arguments.what}")


def _push(arguments: argparse.Namespace) -> int:
    try:
        with open(arguments.key, encoding="ascii") as file:
            line = file.read().strip()
    except UnicodeDecodeError:
        raise ValueError(f"{arguments.key}: not a public key. Use a file that contains one public key.") from None
    return _request(arguments, "POST", "keys", body={"user": arguments.user, "key": line})
