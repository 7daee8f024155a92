# SPDX-License-Identifier: Apache-2.0
"""`eic-sandbox env`: what a shell needs, so that AWS clients in it call the sandbox."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from typing import Any, Dict, List, Mapping, Sequence
from urllib.parse import urlsplit

from .control_client import CommandFailed, Commands, add_command, call, members_of_answer

# Variables that would lead a client elsewhere: those of a service count more than AWS_ENDPOINT_URL (AWS SDKs and Tools
# Reference Guide, "Service-specific endpoints").
_SERVICES = ("EC2", "EC2_INSTANCE_CONNECT", "STS", "CLOUDTRAIL")
_UNSET = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    *(f"AWS_ENDPOINT_URL_{service}" for service in _SERVICES),
)
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


def add_to(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "env", 'print shell commands: eval "$(eic-sandbox env --as alice)"')
    command.add_argument("--as", dest="name", metavar="NAME", help="a user, or ROLE/SESSION (default: the first user)")
    command.add_argument(
        "--hosts", action="store_true", help="print lines for /etc/hosts instead: tunnels go to host names on port 443"
    )
    command.set_defaults(command=_env)


def _env(arguments: argparse.Namespace) -> int:
    status = call(arguments, "GET", "status")
    if arguments.hosts:
        with members_of_answer():
            lines = hosts(status)
        for line in lines:
            print(line)
        return 0
    credentials = call(arguments, "GET", "credentials", {"as": arguments.name})
    ca = os.path.abspath(os.path.join(arguments.directory, "ca.pem"))
    if not os.path.exists(ca):
        raise CommandFailed(f"{ca}: no such file. Use the --directory of `eic-sandbox run`.")
    with members_of_answer():
        found = variables(status, credentials, ca, no_proxy(os.environ))
        lines = [f"export {name}={shlex.quote(value)}" for name, value in found.items()]
    for line in [*lines, *(f"unset {name}" for name in _UNSET if name not in found)]:
        print(line)
    return 0


def hosts(status: Dict[str, Any]) -> List[str]:
    """Lines for /etc/hosts, one an endpoint; its tunnels are opened to port 443 of that name.

    Raises ValueError for what is not the name of a host.
    """
    address = str(urlsplit(status["endpoints"]["tls"]).hostname)
    lines = [(address, one["dns_name"], one["fips_dns_name"]) for one in status["instance_connect_endpoints"]]
    if not all(_HOST.fullmatch(name) for line in lines for name in line):
        raise ValueError("not the name of a host")
    return [" ".join(line) for line in lines]


def no_proxy(environment: Mapping[str, str]) -> List[str]:
    """The hosts for which a proxy is not used."""
    listed = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    return [host for host in listed.split(",") if host]


def variables(
    status: Dict[str, Any], credentials: Dict[str, Any], ca: str, without_proxy: Sequence[str]
) -> Dict[str, str]:
    """The environment of a client of a running sandbox; `without_proxy` are hosts for which no proxy was used before.

    SSL_CERT_FILE is read by the AWS CLI's WebSocket client, which ignores AWS_CA_BUNDLE. A proxy is not used for a host
    whose whole name is in NO_PROXY.
    """
    api = status["endpoints"]["api"]
    names = [one["dns_name"] for one in status["instance_connect_endpoints"]]
    direct = ",".join(dict.fromkeys([*without_proxy, str(urlsplit(api).hostname), *names]))
    found = {
        "AWS_ACCESS_KEY_ID": credentials["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": credentials["secret"],
        "AWS_SESSION_TOKEN": credentials["token"],
        "AWS_REGION": credentials["region"],
        "AWS_DEFAULT_REGION": credentials["region"],
        "AWS_ENDPOINT_URL": api,
        "AWS_CA_BUNDLE": ca,
        "SSL_CERT_FILE": ca,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": direct,
        "no_proxy": direct,
    }
    return {name: value for name, value in found.items() if value}
