# SPDX-License-Identifier: Apache-2.0
"""`eic-sandbox run`: the sandbox, until it is interrupted."""

from __future__ import annotations

import argparse
import ipaddress
import re
import resource
import sys
from typing import TYPE_CHECKING

from ..cloud.text import one_line
from ..imds.metadata import InstanceMetadata
from .control_client import Commands
from .systemd import notify_ready

if TYPE_CHECKING:
    from ..cloud.cloud import Cloud

_INSTANCE_ID = re.compile(r"i-[0-9a-f]{8,32}")
_PORTS = ("imds", "api", "control", "tls")
_MAX_FILES = 65_536
_OF_ONE_INSTANCE = ("instance_id", "region", "zone", "domain", "window")


def add_to(commands: Commands) -> None:
    """Add the command."""
    metadata = InstanceMetadata()
    text = "serve IMDS, the APIs, tunnels and the control API until interrupted"
    parser = commands.add_parser("run", help=text, description=text, allow_abbrev=False)
    parser.set_defaults(command=_run)
    parser.add_argument("--world", metavar="FILE", help="a world file (docs/sandbox.md); without it: one of everything")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    for part in _PORTS:
        parser.add_argument(f"--{part}-port", type=int, default=0, metavar="PORT", help="default: any free port")
    parser.add_argument("--tls-host", metavar="ADDRESS", help="the address for tunnels, if it is not that of --host")
    parser.add_argument("--directory", help="write certificates, configurations, sandbox.json and the trail there")
    parser.add_argument(
        "--allow-other-ports", action="store_true", help="open tunnels to any port, as AWS does not (AWS: 22 and 3389)"
    )
    parser.add_argument("--instance-id", help=f"without --world (default: {metadata.instance_id})")
    parser.add_argument("--region", help=f"without --world (default: {metadata.region})")
    parser.add_argument("--zone", help=f"without --world (default: {metadata.zone})")
    parser.add_argument("--domain", help=f"without --world (default: {metadata.domain})")
    parser.add_argument("--window", type=int, help="without --world: seconds for which a key is valid (default: 60)")


def _run(arguments: argparse.Namespace) -> int:
    from ..server import Ports, Sandbox, serve  # only this command needs aiohttp

    _require_addresses(arguments)
    _require_valid_ports(arguments)
    cloud = _cloud(arguments)
    if arguments.allow_other_ports:
        cloud.other_ports = True
    ports = Ports(*(getattr(arguments, f"{part}_port") for part in _PORTS))
    sandbox = Sandbox(cloud, arguments.host, ports, tls_host=arguments.tls_host)

    def ready() -> None:
        if arguments.directory:
            sandbox.describe(arguments.directory)
        for name, url in sandbox.endpoints.items():
            print(f"{name:8} {url}")
        if cloud.other_ports:
            print("tunnels  to any port: AWS opens 22 and 3389 only")
        print("ready", flush=True)
        notify_ready()

    _allow_connections()
    serve(sandbox, ready)
    return 0


def _allow_connections() -> None:
    """Raise the limit of open files to what the system allows: the usual 1,024 are soon idle connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if most == resource.RLIM_INFINITY else min(_MAX_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _cloud(arguments: argparse.Namespace) -> Cloud:
    if arguments.world is None:
        return _single(arguments)
    given = [name for name in _OF_ONE_INSTANCE if getattr(arguments, name) is not None]
    if given:
        option = given[0].replace("_", "-")
        raise ValueError(f"--{option}: cannot be used with --world. Set it in the world file.")
    from ..world.world import load  # only this option needs PyYAML

    cloud, warnings = load(arguments.world)
    for warning in warnings:
        print(f"eic-sandbox: {one_line(warning)}", file=sys.stderr)
    return cloud


def _single(arguments: argparse.Namespace) -> Cloud:
    from ..cloud.instance import Instance
    from ..pki.authority import Pki
    from ..world.single import single

    default = InstanceMetadata()
    metadata = InstanceMetadata(
        *(
            getattr(arguments, name) if getattr(arguments, name) is not None else getattr(default, name)
            for name in ("instance_id", "region", "zone", "domain")
        )
    )
    window = 60 if arguments.window is None else arguments.window
    if not _INSTANCE_ID.fullmatch(metadata.instance_id):
        raise ValueError(f"--instance-id: invalid ({metadata.instance_id!r}). Use i- and 8 to 32 hexadecimal digits.")
    for name in ("region", "zone", "domain"):
        value = getattr(metadata, name)
        if not re.fullmatch(r"[a-z0-9.-]{2,64}", value):
            raise ValueError(f"--{name}: invalid ({value!r}). Use lower-case letters, digits, dots and hyphens.")
    if not 1 <= window <= 86400:
        raise ValueError(f"--window: out of range ({window}). Use 1 to 86400 seconds.")
    return single(Instance(metadata, Pki(metadata.region, metadata.domain), window))


def _require_addresses(arguments: argparse.Namespace) -> None:
    for option, address in (("--host", arguments.host), ("--tls-host", arguments.tls_host or arguments.host)):
        try:
            ipaddress.ip_address(address)
        except ValueError:
            problem = f"{option}: not an IP address ({address!r}). Use one of this machine, such as 127.0.0.1."
            raise ValueError(problem) from None


def _require_valid_ports(arguments: argparse.Namespace) -> None:
    for part in _PORTS:
        port = getattr(arguments, f"{part}_port")
        if not 0 <= port <= 65535:
            raise ValueError(f"--{part}-port: out of range ({port}). Use 1 to 65535, or 0 for any free port.")
