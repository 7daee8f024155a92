# SPDX-License-Identifier: Apache-2.0
"""Tunnels through an EC2 Instance Connect Endpoint, as `aws ec2-instance-connect open-tunnel` opens them.

A tunnel is a WebSocket with a presigned URL; its binary frames are the bytes of a TCP connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, AsyncIterator, Awaitable, Callable, List, Optional, Tuple
from urllib.parse import quote

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:  # aiohttp 3.8 lacks it
    from aiohttp.abc import ResolveResult

EXPIRES = 60  # seconds, as in the URLs of the AWS CLI
_HANDSHAKE = 30.0  # seconds for the connection, TLS and the HTTP answer together
_CLOSING = 2.0  # seconds for the server's answer to a close frame
FRAME = 65000  # bytes in a frame to the server
_MAX_DOWN = 4 << 20  # bytes in a frame from the server
_MAX_BODY = 65536  # bytes of an HTTP answer

Read = Callable[[], Awaitable[bytes]]
Write = Callable[[bytes], Awaitable[None]]
Address = Tuple[str, int]


class TunnelError(Exception):
    """The tunnel was refused, or did not end with the close code 1000. The text is the server's, if it sent one."""


class Refused(TunnelError):
    """An answer other than a WebSocket's: its HTTP `status`, its `body`."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body}" if body else f"HTTP {status}")
        self.status = status
        self.body = body


class Closed(TunnelError):
    """A close frame with another code than 1000."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with code {code}: {reason}" if reason else f"closed with code {code}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Target:
    """What a tunnel leads to. `url` is wss://NAME[:PORT] of the endpoint, `max_duration` is in seconds."""

    url: str
    endpoint_id: str
    address: str
    port: int
    region: str
    max_duration: Optional[int] = None


def presigned(target: Target, credentials: Credentials, expires: int = EXPIRES) -> str:
    """The URL that opens the tunnel for `expires` seconds; the parameters are in the order of the AWS CLI."""
    parameters = {
        "instanceConnectEndpointId": target.endpoint_id,
        "remotePort": str(target.port),
        "privateIpAddress": target.address,
    }
    if target.max_duration is not None:
        parameters["maxTunnelDuration"] = str(target.max_duration)
    query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in parameters.items())
    scheme, _, authority = target.url.rstrip("/").partition("://")
    # botocore knows the default port of https only, which is left out of the header Host.
    request = AWSRequest("GET", f"{scheme.replace('ws', 'http')}://{authority}/openTunnel?{query}")
    SigV4QueryAuth(credentials, "ec2-instance-connect", target.region, expires=expires).add_auth(request)
    return f"{scheme}://{str(request.url).partition('://')[2]}"


class _Answer(aiohttp.ClientResponse):
    """Keeps the body of a refusal, which aiohttp drops."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        await super().start(connection)
        if self.status != 101:
            body = bytearray()
            with contextlib.suppress(aiohttp.ClientError):
                while len(body) < _MAX_BODY and (chunk := await self.content.read(_MAX_BODY - len(body))):
                    body += chunk
            raise Refused(self.status, body.decode("utf-8", "replace"))
        return self


class _FixedResolver(AbstractResolver):
    def __init__(self, address: Address) -> None:
        self._host, self._port = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> List[ResolveResult]:
        found = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        return [
            {
                "hostname": host,
                "host": self._host,
                "port": self._port,
                "family": found,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
        ]

    async def close(self) -> None:
        """Nothing is open."""


@contextlib.asynccontextmanager
async def connect(
    url: str, *, ca: Optional[str] = None, address: Optional[Address] = None, source: Optional[str] = None
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """The WebSocket of a presigned URL, closed at the end.

    `ca` is a file of trusted certificates (PEM), `address` is connected to in place of the URL's name, `source` is the
    local address. Raises Refused or TunnelError.
    """
    if address is not None and _is_address(yarl.URL(url, encoded=True).host or ""):
        raise TunnelError("the URL has an address in place of a name, which is where to connect (leave --connect out)")
    try:
        trusted = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise TunnelError(f"{ca}: no certificates can be read ({error})") from None
    connector = aiohttp.TCPConnector(
        ssl=trusted,
        resolver=None if address is None else _FixedResolver(address),
        local_addr=None if source is None else (source, 0),
    )
    async with aiohttp.ClientSession(connector=connector, response_class=_Answer) as session:
        handshake = session.ws_connect(yarl.URL(url, encoded=True), max_msg_size=_MAX_DOWN)
        try:
            tunnel = await asyncio.wait_for(handshake, _HANDSHAKE)
        except asyncio.TimeoutError:
            raise TunnelError(f"the endpoint did not answer within {_HANDSHAKE:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise TunnelError(f"no connection to the endpoint: {error}") from None
        try:
            yield tunnel
        finally:
            with contextlib.suppress(asyncio.TimeoutError, aiohttp.ClientError, OSError):
                await asyncio.wait_for(tunnel.close(), _CLOSING)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def relay(tunnel: aiohttp.ClientWebSocketResponse, read: Read, write: Write) -> None:
    """Relays until `read` returns nothing, `write` raises OSError, or the server closes with code 1000.

    Raises TunnelError for any other end.
    """
    up = asyncio.ensure_future(_send(tunnel, read))
    down = asyncio.ensure_future(_receive(tunnel, write))
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        # What could not be sent has its reason in what is received.
        if down.done() or not up.result():
            await down
    finally:
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)


async def _send(tunnel: aiohttp.ClientWebSocketResponse, read: Read) -> bool:
    """Returns whether everything was sent."""
    while True:
        try:
            data = await read()
        except OSError:
            return True
        if not data:
            return True
        try:
            await tunnel.send_bytes(data)
        except (ConnectionError, aiohttp.ClientError):
            return False


async def _receive(tunnel: aiohttp.ClientWebSocketResponse, write: Write) -> None:
    while True:
        message = await tunnel.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            try:
                await write(message.data)
            except OSError:
                return
        elif message.type is aiohttp.WSMsgType.CLOSE:
            if message.data != 1000:
                raise Closed(message.data, message.extra or "")
            return
        elif message.type is aiohttp.WSMsgType.TEXT:
            raise TunnelError("the endpoint sent a text frame")
        else:
            raise TunnelError("the endpoint closed the connection without a close frame")
