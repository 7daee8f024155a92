# SPDX-License-Identifier: Apache-2.0
"""A running sandbox with two accounts, for tests of the services, the tunnels and the trail."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, AsyncContextManager, Coroutine, Dict, Iterator, List, Mapping, Optional, Tuple, TypeVar

import aiohttp
from botocore.config import Config
from botocore.credentials import Credentials

from eic_sandbox.cloud.endpoint import Endpoint
from eic_sandbox.cloud.instance import Instance
from eic_sandbox.cloud.region import Region
from eic_sandbox.iam.policy import parse as parse_policy
from eic_sandbox.server import Sandbox, running
from eic_sandbox.world.document import parse
from eic_sandbox.world.world import build
from testbed import aws_sdk, tunnel

from .fleet_world import ACCOUNT, ENDPOINT, FIRST, REGION, WORLD

Result = TypeVar("Result")

GREETING = b"SSH-2.0-target\r\n"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ANSWER = 30.0  # seconds for an answer; a server that hangs fails its test then


class Clock:
    """The real time and what a test adds: up to 15 minutes, so that signatures are still accepted."""

    def __init__(self) -> None:
        self.ahead = 0.0  # seconds

    def __call__(self) -> float:
        return time.time() + self.ahead


class Counting:
    """A TCP server that greets, and keeps the addresses of those that connected."""

    def __init__(self) -> None:
        self.peers: List[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: List[socket.socket] = []
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return "127.0.0.1:%d" % self._listener.getsockname()[1]

    def _accept(self) -> None:
        while True:
            connection, peer = self._listener.accept()
            if self._closing:
                connection.close()
                return
            self.peers.append(peer[0])
            self._connections.append(connection)
            with contextlib.suppress(OSError):
                connection.sendall(GREETING)

    def say(self, data: bytes) -> None:
        """Sends to the first connection."""
        self._connections[0].sendall(data)

    def ended(self, count: int) -> bool:
        """Whether the other sides of the first connections end them; fails after a while."""
        for connection in self._connections[:count]:
            connection.settimeout(ANSWER)
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(4096):
                    pass
        return True

    def close(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname()):
            self._thread.join(ANSWER)
        self._listener.close()
        for connection in self._connections:
            connection.close()


@dataclass
class Fleet:
    """The sandbox, and who uses it. `ca` is the file of the CA of its tunnels."""

    sandbox: Sandbox
    clock: Clock
    target: Counting
    ca: str
    _clients: Dict[Tuple[str, ...], Any] = field(default_factory=dict)

    def client(self, service: str, who: str = "admin", region: str = REGION) -> Any:
        """boto3's client of a service as a user or session; it sends each request once, whatever its arguments."""
        return self.client_with(service, self.credentials(who), region)

    def client_with(self, service: str, credentials: Credentials, region: str = REGION) -> Any:
        """As `client`, with these credentials."""
        key = (service, credentials.access_key, region)
        if key not in self._clients:
            config = Config(retries={"total_max_attempts": 1}, parameter_validation=False, proxies={})
            api, secret, token = self.sandbox.endpoints["api"], credentials.secret_key, credentials.token
            self._clients[key] = aws_sdk.client(
                service, api, region, credentials.access_key, secret, token, config=config
            )
        return self._clients[key]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def attach(self, who: str, *statements: Mapping[str, object], name: str = "test") -> None:
        """Attach a policy; one with the same name is replaced."""
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self.sandbox.cloud.directory.attach(who, parse_policy(document, name))

    @property
    def region(self) -> Region:
        return self.sandbox.cloud.region(ACCOUNT, REGION)

    @property
    def endpoint(self) -> Endpoint:
        return self.region.endpoints[ENDPOINT]

    def instance(self, instance_id: str = FIRST) -> Instance:
        return self.region.instances[instance_id]

    @property
    def events(self) -> List[Dict[str, Any]]:
        """The events of the trail, oldest first."""
        return list(reversed(self.sandbox.trail.newest_first()))

    def credentials(self, who: str) -> Credentials:
        found = self.sandbox.cloud.directory.credentials_of(self.sandbox.cloud.directory.find(who))
        return Credentials(found.access_key_id, found.secret, found.token)

    @property
    def tls(self) -> Tuple[str, int]:
        """The address and port of the tunnels."""
        host, _, port = self.sandbox.endpoints["tls"].rpartition("//")[2].rpartition(":")
        return host, int(port)

    def url(
        self,
        who: str = "admin",
        *,
        endpoint: str = ENDPOINT,
        host: Optional[str] = None,
        address: str = "10.0.1.0",
        port: int = 22,
        region: str = REGION,
        max_duration: Optional[int] = None,
    ) -> str:
        """A presigned URL; `host` is that of the endpoint unless given."""
        host = host or self.host(endpoint)
        asked = tunnel.Target(f"wss://{host}", endpoint, address, port, region, max_duration)
        return tunnel.presigned(asked, self.credentials(who))

    def host(self, endpoint: str) -> str:
        """The host name of an endpoint of any account."""
        for region in self.sandbox.cloud.regions():
            if endpoint in region.endpoints:
                return region.endpoints[endpoint].dns_name
        raise KeyError(endpoint)

    def connect(self, url: str, source: Optional[str] = None) -> AsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """The WebSocket of a URL. Raises testbed.tunnel.Refused."""
        return tunnel.connect(url, ca=self.ca, address=self.tls, source=source)

    def open(self, url: str, source: Optional[str] = None) -> Tuple[int, str]:
        """Opens a tunnel and closes it: 200 and the greeting, an HTTP status and body, or a close code and reason."""
        return run(self._open(url, source))

    async def _open(self, url: str, source: Optional[str]) -> Tuple[int, str]:
        try:
            async with self.connect(url, source) as opened:
                message = await opened.receive(timeout=ANSWER)
                if message.type is aiohttp.WSMsgType.BINARY:
                    return 200, message.data.decode()
                return message.data, message.extra or ""
        except tunnel.Refused as refused:
            return refused.status, refused.body


def run(opening: Coroutine[Any, Any, Result]) -> Result:
    """The result, once every connection is closed: aiohttp does not wait for the end of TLS."""

    async def all_of_it() -> Result:
        try:
            return await opening
        finally:
            selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined] # no public way lists them
            deadline = time.monotonic() + ANSWER
            await asyncio.sleep(0)
            while len(selector.get_map()) > 1 and time.monotonic() < deadline:  # one is asyncio's own
                await asyncio.sleep(0.001)

    return asyncio.run(all_of_it())


@contextlib.contextmanager
def fleet(folder: Path) -> Iterator[Fleet]:
    """A fleet that runs; `folder` gets the file of its CA."""
    target = Counting()
    clock = Clock()
    world = WORLD % {"target": target.address}
    try:
        cloud = build(parse(world.encode(), "world.yaml"), str(folder), clock)
        with running(Sandbox(cloud, clock=clock)) as sandbox:
            ca = folder / "ca.pem"
            ca.write_bytes(sandbox.tls.ca_pem)
            made = Fleet(sandbox, clock, target, str(ca))
            yield made
            made.close()
    finally:
        target.close()
