# SPDX-License-Identifier: Apache-2.0
"""A TLS server of tunnels, targets and clients on loopback, for the tests of the relay."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import ssl
import struct
from dataclasses import dataclass
from typing import Any, AsyncIterator, Awaitable, Callable, Coroutine, List, Optional, Set, Tuple

import aiohttp
from aiohttp import web

from eic_sandbox.pki.tls import TlsIdentity
from eic_sandbox.server import _RUNNER_OPTIONS, _SITE_OPTIONS
from eic_sandbox.tunnel.relay import Counts, Ended, relay
from eic_sandbox.tunnel.target import connect
from eic_sandbox.tunnel.websocket import new_websocket

PATIENCE = 60.0  # seconds, after which a test fails instead of waiting for ever
MIB = 1 << 20
_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


@functools.lru_cache(maxsize=1)
def contexts() -> Tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server and for its client."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    return TlsIdentity(["localhost"], ["127.0.0.1"]).context(), client


@dataclass
class Raw:
    """A client's connection whose frames a test writes itself."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def stall(self, stalled: bool = True) -> None:
        """Stop reading, or read again."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.Transport)
        if stalled:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def abort(self) -> None:
        self.writer.transport.abort()

    async def read_frame(self) -> Tuple[int, bytes]:
        """The opcode and the payload of a frame of the server."""
        first, second = await self.reader.readexactly(2)
        assert first & 0xF0 == 0x80
        assert second & 0x80 == 0
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(size)

    async def read_close(self) -> Tuple[int, str]:
        """The code and the reason of the server's Close, after whatever came before it."""
        opcode, payload = 0, b""
        while opcode != 8:
            opcode, payload = await self.read_frame()
        return (struct.unpack("!H", payload[:2])[0], payload[2:].decode()) if payload else (1005, "")


class Tunnels:
    """A server that connects each WebSocket to one target.

    `counts` has the bytes of each tunnel.
    """

    def __init__(self, target_port: int, max_duration: float) -> None:
        self.port = 0
        self._ended: asyncio.Queue[asyncio.Future[Ended]] = asyncio.Queue()
        self.stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.counts: List[Counts] = []
        self._target_port = target_port
        self._max_duration = max_duration

    async def handle(self, request: web.Request) -> web.StreamResponse:
        websocket, transport = new_websocket(), request.transport
        assert transport is not None
        await websocket.prepare(request)
        target = await connect("127.0.0.1", self._target_port, timeout=PATIENCE)
        counts = Counts()
        self.counts.append(counts)
        duration = self._max_duration
        relaying = relay(websocket, transport, target, max_duration=duration, stop=self.stop, counts=counts)
        task = asyncio.ensure_future(relaying)
        task.add_done_callback(self._ended.put_nowait)
        await task
        return websocket

    async def end(self) -> Ended:
        """How the next tunnel that ends ended. Raises what its relay raised."""
        return await (await self._ended.get())

    async def raw(self) -> Raw:
        """A client whose tunnel is open."""
        before = len(self.counts)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=contexts()[1])
        writer.write(_UPGRADE)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        while len(self.counts) == before:
            await asyncio.sleep(0.001)
        return Raw(reader, writer)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A client of aiohttp that takes frames of any size."""
        async with aiohttp.ClientSession() as session:
            url = f"https://127.0.0.1:{self.port}/"
            async with session.ws_connect(url, ssl=contexts()[1], max_msg_size=0) as websocket:
                yield websocket


@contextlib.asynccontextmanager
async def tunnels(handler: Handler, max_duration: float = 3600) -> AsyncIterator[Tunnels]:
    """Tunnels to a target that `handler` serves. Afterwards nothing of them is left, and nothing was logged."""
    descriptors, tasks = open_descriptors(), asyncio.all_tasks()
    targets: List[Tuple[asyncio.StreamWriter, Optional[asyncio.Task[None]]]] = []
    logged = _Logged()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        targets.append((writer, asyncio.current_task()))
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await handler(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made = Tunnels(server.sockets[0].getsockname()[1], max_duration)
    app = web.Application()
    app.router.add_get("/", made.handle)
    runner = web.AppRunner(app, access_log=None, **_RUNNER_OPTIONS)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=contexts()[0], **_SITE_OPTIONS).start()
    made.port = runner.addresses[0][1]
    with logged:
        try:
            yield made
        finally:
            await runner.cleanup()
            for writer, task in targets:
                writer.close()
                if task is not None:
                    task.cancel()
            server.close()
        await _nothing_left(descriptors, tasks)
    assert logged.lines == []


class _Logged(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: List[str] = []

    def __enter__(self) -> None:
        logging.getLogger().addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


async def _nothing_left(descriptors: int, tasks: Set[asyncio.Task[Any]]) -> None:
    """Fails unless all tasks and all descriptors but those of before are gone after a while."""
    others: Set[asyncio.Task[Any]] = set()
    for _ in range(100):
        others = asyncio.all_tasks() - tasks
        if not others and open_descriptors() <= descriptors:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"left: {open_descriptors() - descriptors} descriptors, {others}")


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes = b"\x01\x80\xff\x37",
    size: Optional[int] = None,
) -> bytes:
    """A frame of a client; `size` is the length that it states, if it is another than its payload's."""
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    size = len(payload) if size is None else size
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes([fin << 7 | reserved << 4 | opcode]) + length + mask + masked


def close_payload(code: int, reason: bytes = b"") -> bytes:
    return struct.pack("!H", code) + reason


async def until_steady(value: Callable[[], int]) -> None:
    """Wait until `value` grew, and no more for half a second."""
    before = -1
    while value() != before or before <= 0:
        before = value()
        await asyncio.sleep(0.5)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A target that sends back what it gets."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A target that reads and sends nothing."""
    while await reader.read(1 << 16):
        pass
    writer.close()
