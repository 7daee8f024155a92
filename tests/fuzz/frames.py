# SPDX-License-Identifier: Apache-2.0
"""Frames of a client for a real relay on loopback: only the payload of valid binary messages reaches the target.

Each part of an example knows the bytes that it brings to the target. TLS is left out.
This is no part of targets.py because it needs aiohttp, which the environments of the unit tests lack.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import List, NamedTuple, Optional, Sequence, Tuple

from aiohttp import web
from hypothesis import strategies as st

from eic_sandbox.tunnel.relay import Ended, relay
from eic_sandbox.tunnel.target import connect
from eic_sandbox.tunnel.websocket import new_websocket

NAME = "frames in a tunnel"
_TIME_LIMIT = 30.0  # seconds for one example, which is a hang
_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
_MASK = b"\x01\x80\xff\x37"


class Example(NamedTuple):
    """What a client sends, cut at `cuts`. The target gets `messages`; if `malformed`, at least no other bytes."""

    sent: bytes
    messages: bytes
    malformed: bool
    cuts: Sequence[int]


class _Part(NamedTuple):
    sent: bytes
    message: bytes = b""


def frame(opcode: int, payload: bytes = b"", *, first: int = 0x80, size: Optional[int] = None) -> bytes:
    """A masked frame; `size` is the length that it states, if it is another than its payload's."""
    stated = len(payload) if size is None else size
    masked = bytes(byte ^ _MASK[at % 4] for at, byte in enumerate(payload))
    if stated < 126:
        length = bytes([0x80 | stated])
    elif stated < 1 << 16:
        length = struct.pack("!BH", 0xFE, stated)
    else:
        length = struct.pack("!BQ", 0xFF, stated)
    return bytes([first | opcode]) + length + _MASK + masked


def _fragmented(payloads: List[bytes]) -> _Part:
    pieces = [frame(0 if at else 2, one, first=0) for at, one in enumerate(payloads)]
    return _Part(b"".join([*pieces, frame(0)]), b"".join(payloads))


def _valid() -> st.SearchStrategy[_Part]:
    control = st.tuples(st.sampled_from([9, 10]), st.binary(max_size=125)).map(lambda one: _Part(frame(*one)))
    binary = st.binary(max_size=300).map(lambda one: _Part(frame(2, one), one))
    return binary | control | st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=4).map(_fragmented)


def _ends() -> st.SearchStrategy[bytes]:
    """What ends a tunnel, so that nothing after it may reach the target."""
    payload, reserved = st.binary(max_size=60), st.sampled_from([0x90, 0xA0, 0xC0, 0xF0])
    unknown = st.sampled_from([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
    return st.one_of(
        st.tuples(unknown, payload).map(lambda one: frame(*one)),
        st.tuples(reserved, payload).map(lambda one: frame(2, one[1], first=one[0])),
        st.sampled_from([8, 9, 10]).map(lambda one: frame(one, b"x" * 126)),
        st.sampled_from([8, 9, 10]).map(lambda one: frame(one, b"xy", first=0)),
        payload.map(lambda one: frame(1, one)),
        payload.map(lambda one: frame(8, one)),
        st.integers((1 << 20) + 1, (1 << 64) - 1).map(lambda one: frame(2, b"x", size=one)),
        st.binary(min_size=2, max_size=80).map(lambda one: bytes([one[0] | 0x30]) + one[1:]),
    )


def examples() -> st.SearchStrategy[Example]:
    """Valid messages, perhaps something malformed and messages after it, or a last frame that is not complete."""
    valid, cuts = st.lists(_valid(), max_size=6), st.lists(st.integers(1, 1500), max_size=3)
    cut_short = st.tuples(st.binary(max_size=60), st.integers(1, 60)).map(
        lambda one: frame(2, one[0], size=len(one[0]) + one[1])
    )
    malformed = st.tuples(_ends(), valid).map(lambda one: one[0] + b"".join(part.sent for part in one[1]))
    rest = st.just(b"") | cut_short | malformed

    def made(drawn: Tuple[List[_Part], bytes, List[int]]) -> Example:
        parts, after, at = drawn
        sent, messages = (b"".join(pieces) for pieces in ([p.sent for p in parts], [p.message for p in parts]))
        return Example(sent + after, messages, after != b"", sorted(at))

    return st.tuples(valid, rest, cuts).map(made)


def run(example: Example) -> None:
    """Raises AssertionError if the target gets anything else, TimeoutError if the relay does not end."""
    got = asyncio.run(asyncio.wait_for(_exchange(example), _TIME_LIMIT))
    if example.malformed:  # aiohttp 3.8 drops what it reads together with something malformed
        assert example.messages.startswith(got)
    else:
        assert got == example.messages


async def _exchange(example: Example) -> bytes:
    """What the target of a tunnel gets when a client sends this and closes."""
    got = bytearray()
    tasks: List[asyncio.Future[Ended]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                got.extend(data)
        writer.close()

    async def open_tunnel(request: web.Request) -> web.StreamResponse:
        websocket, transport = new_websocket(), request.transport
        assert transport is not None
        await websocket.prepare(request)
        target = await connect("127.0.0.1", port, timeout=_TIME_LIMIT)
        tasks.append(asyncio.ensure_future(relay(websocket, transport, target, max_duration=_TIME_LIMIT)))
        await tasks[0]
        return websocket

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    runner = web.ServerRunner(web.Server(open_tunnel))  # type: ignore[arg-type] # every request is a tunnel
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        await _send(runner.addresses[0][1], example)
        while not tasks:
            await asyncio.sleep(0.001)
        await tasks[0]
    finally:
        server.close()
        await runner.cleanup()
    return bytes(got)


async def _send(port: int, example: Example) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    for start, end in zip([0, *example.cuts], [*example.cuts, len(example.sent)]):
        writer.write(example.sent[start:end])
        await asyncio.sleep(0)
    with contextlib.suppress(OSError):
        writer.write_eof()
        while await reader.read(65536):
            pass
    writer.close()
