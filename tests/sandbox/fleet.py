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

Result = TypeVar("Result")

REGION = "us-east-1"
ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"
FIRST, SECOND, THIRD = "i-1234567890abcdef0", "i-0598c7d356eba48d7", "i-0f00f00f00f00f00f"
STOPPED, FOREIGN = "i-00000000000000001", "i-0000000000000000f"
ENDPOINT, OTHER_ENDPOINT, FOREIGN_ENDPOINT = "eice-123456789abcdef", "eice-0fedcba9876543210", "eice-00000000000000f0f"
VPC, SUBNET = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0"
GREETING = b"SSH-2.0-target\r\n"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ANSWER = 30.0  # seconds for an answer; a server that hangs fails its test then

_SERVERS = "{22: '%(target)s', 3389: '%(target)s', 5432: '%(target)s'}"
# For the quota of endpoints of an account.
_MORE_VPCS = "\n".join(
    f"          vpc-0000000000000000{n}: {{cidrs: [10.{n}.0.0/16], "
    f"subnets: {{subnet-0000000000000000{n}: {{cidr: 10.{n}.0.0/24, tags: {{env: prod}}}}}}}}"
    for n in range(3, 8)
)
_WORLD = f"""
endpoint_delay: 60
policies:
  everything: {{Version: '2012-10-17', Statement: [{{Effect: Allow, Action: '*', Resource: '*'}}]}}
accounts:
  '{ACCOUNT}':
    users:
      admin: {{access_keys: {{AKIAADMIN00000000000: admin-secret}}, policies: [everything]}}
      alice: {{access_keys: {{AKIAALICE00000000000: alice-secret}}, tags: {{team: blue}}}}
      bob: {{access_keys: {{AKIABOB0000000000000: bob-secret}}}}
    roles:
      Operators: {{max_session_duration: 7200, tags: {{Team: red}}}}
    regions:
      {REGION}:
        vpcs:
          {VPC}:
            cidrs: [10.0.0.0/16, 'fd00:1::/56']
            tags: {{Name: main}}
            subnets:
              {SUBNET}: {{cidr: 10.0.0.0/20, zone: us-east-1a, tags: {{tier: private}}}}
              subnet-0123456789abcdef1: {{cidr: 10.0.16.0/20, zone: us-east-1b}}
            security_groups:
              sg-00000000000000001: {{name: default}}
              sg-00000000000000002:
                name: endpoint
                egress: [{{ports: all, destinations: [10.0.0.0/16, 'fd00:1::/56']}}]
              sg-00000000000000003:
                name: from-the-group
                ingress: [{{ports: all, sources: [sg-00000000000000002]}}]
              sg-00000000000000004:
                name: from-the-endpoint
                ingress: [{{ports: 22, sources: [10.0.0.99/32, 'fd00:1::/56']}}]
              sg-00000000000000005:
                name: from-the-client
                ingress: [{{ports: 22, sources: [127.0.0.2/32]}}]
              sg-00000000000000006:
                name: to-the-first
                egress: [{{ports: 22, destinations: [10.0.1.0/32]}}]
              sg-00000000000000007:
                name: to-the-group
                egress: [{{ports: 22, destinations: [sg-00000000000000003]}}]
          vpc-0000000000000000b:
            cidrs: [10.1.0.0/16]
            subnets: {{subnet-0000000000000000b: {{cidr: 10.1.0.0/24}}}}
            security_groups: {{sg-0000000000000000b: {{name: default}}}}
{_MORE_VPCS}
        instances:
          {FIRST}:
            {{subnet: {SUBNET}, private_ip: 10.0.1.0, ipv6: 'fd00:1::10', public_ip: 203.0.113.5,
             security_groups: [sg-00000000000000003], tags: {{tag-key: tag-value, Name: first}}, servers: {_SERVERS}}}
          {SECOND}:
            {{subnet: {SUBNET}, private_ip: 10.0.1.1, security_groups: [sg-00000000000000003],
             tags: {{tag-key: other}}, type: t2.micro, servers: {_SERVERS}}}
          {THIRD}:
            {{subnet: {SUBNET}, private_ip: 10.0.1.2, security_groups: [sg-00000000000000003], servers: {_SERVERS}}}
          {STOPPED}:
            {{subnet: {SUBNET}, private_ip: 10.0.1.3, state: stopped, security_groups: [sg-00000000000000003],
             servers: {_SERVERS}}}
          i-0000000000000000b: {{subnet: subnet-0000000000000000b, private_ip: 10.1.0.5, servers: {_SERVERS}}}
        endpoints:
          {ENDPOINT}:
            {{subnet: {SUBNET}, private_ip: 10.0.0.99, security_groups: [sg-00000000000000002],
             ip_address_type: dualstack, tags: {{env: test}}}}
          {OTHER_ENDPOINT}: {{subnet: subnet-0000000000000000b}}
      us-west-2: {{}}
  '{OTHER_ACCOUNT}':
    users:
      mallory: {{access_keys: {{AKIAMALLORY000000000: mallory-secret}}, policies: [everything]}}
    regions:
      {REGION}:
        vpcs:
          vpc-0000000000000000f:
            cidrs: [10.0.0.0/16]
            subnets: {{subnet-0000000000000000f: {{cidr: 10.0.0.0/20}}}}
        instances:
          {FOREIGN}: {{subnet: subnet-0000000000000000f, private_ip: 10.0.1.0, servers: {_SERVERS}}}
        endpoints:
          {FOREIGN_ENDPOINT}: {{subnet: subnet-0000000000000000f}}
"""


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
        """Sends to whoever connected first."""
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
        found = self.sandbox.cloud.directory.credentials_of(who)
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
    world = _WORLD % {"target": target.address}
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
