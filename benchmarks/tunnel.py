# SPDX-License-Identifier: Apache-2.0
"""A tunnel through the sandbox's endpoint, compared with a TLS relay without WebSocket; the memory of many tunnels."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import AsyncContextManager, AsyncIterator, Callable, Coroutine, Dict, Iterator, List, Protocol

import aiohttp
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import serialization

from eic_sandbox.cloud.endpoint import dns_suffix
from eic_sandbox.pki.authority import ec_key, issue_server
from testbed import processes
from testbed import tunnel as client

from .bench import memory_mib
from .measure import Case, WrongAnswer
from .tunnel_peers import PATTERN

_SIZE = 256 << 20  # bytes of a timed transfer
_WHOLE = 1 << 30  # bytes that are compared
_ROUNDS = 15
_ENDING = 5.0  # seconds for the sandbox to close earlier tunnels
_AT_ONCE = 20  # as many as an endpoint has
_REGION = "us-west-2"
_ENDPOINT = "eice-0123456789abcdef0"
_KEY, _SECRET = "AKIABENCHMARK0000001", "benchmark-secret"
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class _Connection(Protocol):
    """A connection to the target, through a tunnel or a relay."""

    async def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes: ...


@dataclass
class _Tunnel:
    websocket: aiohttp.ClientWebSocketResponse

    async def send(self, data: bytes) -> None:
        await self.websocket.send_bytes(data)

    async def receive(self) -> bytes:
        data: bytes = await self.websocket.receive_bytes()
        return data


@dataclass
class _Plain:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> bytes:
        return await self.reader.read(256 * 1024)


class Peers:
    """The sandbox, the plain relay and the target, each a process of its own."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        folder.mkdir()
        target = stack.enter_context(_peer("target"))
        identity = issue_server("localhost", ec_key())
        key = identity.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / "relay.pem").write_bytes(key + identity.pem)
        self._relay = stack.enter_context(_peer("relay", str(target), str(folder / "relay.pem")))
        (folder / "world.json").write_text(json.dumps(_world(target)))
        directory = str(folder / "sandbox")
        sandbox = stack.enter_context(processes.sandbox(directory, "--world", str(folder / "world.json")))
        self.pid = sandbox.pid
        self._ca = os.path.join(directory, "ca.pem")
        self._port = int(sandbox.endpoints["tls"].rpartition(":")[2])
        self._name = f"{_ENDPOINT}.{dns_suffix(_REGION)}"

    @contextlib.asynccontextmanager
    async def tunnel(self) -> AsyncIterator[_Connection]:
        """A connection through a tunnel."""
        wanted = client.Target(f"wss://{self._name}", _ENDPOINT, "10.0.0.10", 22, _REGION)
        url = client.presigned(wanted, Credentials(_KEY, _SECRET))
        async with client.connect(url, ca=self._ca, address=("127.0.0.1", self._port)) as websocket:
            yield _Tunnel(websocket)

    @contextlib.asynccontextmanager
    async def plain(self) -> AsyncIterator[_Connection]:
        """A connection through the plain relay."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", self._relay, ssl=context, limit=256 * 1024)
        try:
            yield _Plain(reader, writer)
        finally:
            writer.transport.abort()


Open = Callable[[], AsyncContextManager[_Connection]]


@contextlib.contextmanager
def _peer(*arguments: str) -> Iterator[int]:
    """The port of a process of tunnel_peers."""
    command = [sys.executable, "-m", "benchmarks.tunnel_peers", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _world(target_port: int) -> Dict[str, object]:
    """An instance whose port 22 is the target, and an endpoint."""
    anywhere = [{"ports": "all", "sources": ["0.0.0.0/0"]}]
    vpc = {
        "cidrs": ["10.0.0.0/16"],
        "subnets": {"subnet-0123456789abcdef0": {"cidr": "10.0.0.0/24"}},
        "security_groups": {
            "sg-0123456789abcdef0": {
                "ingress": anywhere, "egress": [{"ports": "all", "destinations": ["0.0.0.0/0"]}],
            }
        },
    }  # fmt: skip
    place = {"subnet": "subnet-0123456789abcdef0", "security_groups": ["sg-0123456789abcdef0"]}
    servers = {"22": f"127.0.0.1:{target_port}"}
    region = {
        "vpcs": {"vpc-0123456789abcdef0": vpc},
        "instances": {"i-0123456789abcdef0": {**place, "private_ip": "10.0.0.10", "servers": servers}},
        "endpoints": {_ENDPOINT: place},
    }
    user = {"access_keys": {_KEY: _SECRET}, "policies": [_EVERYTHING]}
    return {"accounts": {"123456789012": {"users": {"bench": user}, "regions": {_REGION: region}}}}


async def _down(connection: _Connection, size: int, digest: bool) -> None:
    """Receive `size` bytes from the target. Raises WrongAnswer if they are not those that it sent."""
    await connection.send(b"down %d\n" % size)
    found, left = hashlib.sha256(), size
    while left > 0:
        data = await connection.receive()
        if not data:
            break
        if digest:
            found.update(data)
        left -= len(data)
    if left or (digest and found.hexdigest() != _digest(size)):
        raise WrongAnswer(f"a tunnel changed what came down ({left} bytes are missing)")
    await connection.send(b".")


async def _up(connection: _Connection, size: int, digest: bool) -> None:
    """Send `size` bytes to the target. Raises WrongAnswer if it did not get them."""
    await connection.send(b"up %d%s\n" % (size, b" digest" if digest else b""))
    left = size
    while left:
        at = (size - left) % len(PATTERN)
        piece = PATTERN[at : at + min(client.FRAME, left)]
        await connection.send(piece)
        left -= len(piece)
    answer = b""
    while not answer.endswith(b"\n"):
        answer += await connection.receive()
    if answer != (_digest(size).encode() + b"\n" if digest else b"ok\n"):
        raise WrongAnswer(f"a tunnel changed what went up (the target answered {answer!r})")


def _digest(size: int) -> str:
    found = hashlib.sha256()
    for at in range(0, size, len(PATTERN)):
        found.update(PATTERN[: size - at])
    return found.hexdigest()


Transfer = Callable[[_Connection, int, bool], Coroutine[None, None, None]]
_WAYS: Dict[str, Transfer] = {"down": _down, "up": _up}


async def _transfer(opening: Open, way: Transfer, size: int, digest: bool) -> float:
    """The milliseconds of a transfer over a connection that is open."""
    async with opening() as connection:
        begun = time.perf_counter()
        await way(connection, size, digest)
        return (time.perf_counter() - begun) * 1000


def cases(peers: Peers) -> List[Case]:
    """A transfer each way, compared with the plain relay: the throughput is the inverse of the ratio."""

    def case(name: str, way: Transfer) -> Case:
        def measure(opening: Open) -> Callable[[], float]:
            return lambda: asyncio.run(_transfer(opening, way, _SIZE, False))

        title = f"tunnel, {_SIZE >> 20} MiB {name}"
        made = Case(title, measure(peers.tunnel), rounds=_ROUNDS, base=measure(peers.plain))
        made.against = "a TLS relay without WebSocket"
        return made

    return [case(name, way) for name, way in _WAYS.items()]


def lines(peers: Peers) -> Iterator[str]:
    """A line for what is carried unharmed, and for the memory of the sandbox with many tunnels."""
    for name, way in _WAYS.items():
        took = asyncio.run(_transfer(peers.tunnel, way, _WHOLE, True)) / 1000
        yield f"tunnel, {_WHOLE >> 20} MiB {name} with equal digests: {took:.1f} s"
    before = memory_mib(peers.pid, "VmRSS")
    for name, at_once in (("flowing", _flowing), ("with stalled clients", _deaf), ("with stalled targets", _stalled)):
        time.sleep(_ENDING)
        resident = asyncio.run(at_once(peers))
        yield f"sandbox with {_AT_ONCE} tunnels {name}: {resident:.1f} MiB resident (without tunnels: {before:.1f} MiB)"


async def _flowing(peers: Peers) -> float:
    """The most MiB while half of the tunnels send and half receive."""
    ways = list(_WAYS.values())
    size = _SIZE // 4
    jobs = [asyncio.ensure_future(_transfer(peers.tunnel, ways[at % 2], size, True)) for at in range(_AT_ONCE)]
    most = 0.0
    while not all(job.done() for job in jobs):
        await asyncio.sleep(0.05)
        most = max(most, memory_mib(peers.pid, "VmRSS"))
    await asyncio.gather(*jobs)
    return most


async def _deaf(peers: Peers) -> float:
    """The MiB when no client takes what its target sends without end."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(_AT_ONCE):
            connection = await stack.enter_async_context(peers.tunnel())
            await connection.send(b"down %d\n" % (1 << 40))
        return await _steady(peers.pid)


async def _stalled(peers: Peers) -> float:
    """The MiB when no target takes what its client sends without end."""

    async def push(connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while True:
                await connection.send(PATTERN[: client.FRAME])

    pushing: List[asyncio.Future[None]] = []
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(_AT_ONCE):
            connection = await stack.enter_async_context(peers.tunnel())
            await connection.send(b"stall 0\n")
            pushing.append(asyncio.ensure_future(push(connection)))
        resident = await _steady(peers.pid)
        for one in pushing:
            one.cancel()
        await asyncio.gather(*pushing, return_exceptions=True)
    return resident


async def _steady(pid: int) -> float:
    """The most MiB, until it does not change for a second."""
    most, since = 0.0, time.monotonic()
    while time.monotonic() - since < 1:
        await asyncio.sleep(0.1)
        now = memory_mib(pid, "VmRSS")
        if now > most + 0.5:
            most, since = now, time.monotonic()
    return most
