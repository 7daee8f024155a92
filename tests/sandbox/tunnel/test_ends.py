# SPDX-License-Identifier: Apache-2.0
"""How tunnels end: what the client sees, what the target sees, and what is left."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
import time
from typing import List, Optional, Tuple

import pytest

from eic_sandbox.tunnel import websocket
from eic_sandbox.tunnel.relay import ONLY_BINARY, RESET, TIME_OVER

from .tunnels import close_payload, echo, frame, run, silent, tunnels

_CHUNK = bytes(range(256)) * 1024


def test_what_a_target_sent_before_its_end_arrives_whole_at_a_client_that_stalled() -> None:
    async def target(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _at in range(64):
            writer.write(_CHUNK)
        writer.close()

    async def scenario() -> None:
        async with tunnels(target) as served:
            client = await served.raw()
            client.stall()
            await asyncio.sleep(2.5)  # longer than any other end may take
            client.stall(False)
            digest = hashlib.sha256()
            opcode, payload = await client.read_frame()
            while opcode == 2:
                digest.update(payload)
                opcode, payload = await client.read_frame()
            assert (opcode, payload) == (8, b"\x03\xe8")
            assert digest.hexdigest() == hashlib.sha256(_CHUNK * 64).hexdigest()
            client.abort()
            ended = await served.end()
            assert (ended.by, ended.code) == ("target", 1000)

    run(scenario)


@pytest.mark.parametrize("stalled", [False, True])
def test_the_tunnel_is_cut_at_its_maximum_duration(stalled: bool) -> None:
    closed: List[bytes] = []

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(256 if stalled else 1):
            writer.write(_CHUNK)
        closed.append(await reader.read())

    async def scenario() -> None:
        async with tunnels(target, max_duration=1.0) as served:
            begun = time.monotonic()
            client = await served.raw()
            if stalled:
                client.stall()
            else:
                assert await client.read_close() == (1001, TIME_OVER)
                client.abort()
            ended = await served.end()
            assert (ended.code, ended.reason, ended.by) == (1001, TIME_OVER, "time")
            assert 1.0 <= time.monotonic() - begun < 7.0  # aiohttp's own close takes 8 seconds and more
            client.abort()

    run(scenario)


def test_a_tunnel_that_is_stopped_gives_the_reason_to_its_client() -> None:
    async def scenario() -> None:
        async with tunnels(silent) as served:
            client = await served.raw()
            served.stop.set_result("The endpoint was deleted")
            assert await client.read_close() == (1001, "The endpoint was deleted")
            client.abort()
            assert (await served.end()).by == "stop"

    run(scenario)


def test_a_server_that_stops_closes_its_tunnels() -> None:
    async def scenario() -> None:
        async with tunnels(silent) as served:
            client = await served.raw()
            client.writer.write(frame(9, b"joined"))
            assert await client.read_frame() == (10, b"joined")
            reading = asyncio.ensure_future(client.reader.read())
        await reading
        client.abort()

    run(scenario)


def test_a_target_that_resets_closes_the_tunnel_with_1011_and_a_reason() -> None:
    async def target(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def scenario() -> None:
        async with tunnels(target) as served:
            client = await served.raw()
            assert await client.read_close() == (1011, RESET)
            client.abort()
            ended = await served.end()
            assert (ended.by, ended.code, ended.reason) == ("target", 1011, RESET)

    run(scenario)


@pytest.mark.parametrize(
    ("ending", "code", "reason"),
    [
        pytest.param(None, 1006, "", id="a TCP abort"),
        pytest.param(frame(8, close_payload(1000)), 1000, "", id="code 1000"),
        pytest.param(frame(8, close_payload(4000, b"bye")), 4000, "bye", id="code 4000"),
        pytest.param(frame(8), 1005, "", id="no code"),
    ],
)
def test_a_client_that_ends_the_tunnel_closes_its_target_after_what_it_sent(
    ending: Optional[bytes], code: int, reason: str
) -> None:
    got: List[bytes] = []

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readexactly(5))
        writer.write(b"ok")
        got.append(await reader.read())
        writer.close()

    async def scenario() -> None:
        async with tunnels(target) as served:
            client = await served.raw()
            client.writer.write(frame(2, b"hello"))
            assert await client.read_frame() == (2, b"ok")
            if ending is None:
                client.abort()
            else:
                client.writer.write(frame(2, b"!") + ending + frame(2, b"after the Close"))
                assert (await client.read_close())[0] == 1000
                client.abort()
            ended = await served.end()
            assert (ended.by, ended.code, ended.reason) == ("client", code, reason)

    run(scenario)
    assert got == [b"hello", b"" if ending is None else b"!"]


# aiohttp accepts a frame that is not masked; it is a binary frame all the same.
_MALFORMED = {
    "text": (frame(1, b"text"), 1003),
    "text that is not UTF-8": (frame(1, b"\xff"), 1007),
    "unknown opcode": (frame(3, b"x"), 1002),
    "unknown control opcode": (frame(11, b"x"), 1002),
    "reserved bit": (frame(2, b"x", reserved=4), 1002),
    "continuation in place of a message": (frame(2, b"x", fin=False) + frame(2, b"y"), 1002),
    "fragmented PING": (frame(9, b"x", fin=False), 1002),
    "long PING": (frame(9, b"x" * 126), 1002),
    "half a close code": (frame(8, b"\x03"), 1002),
    "close code 999": (frame(8, close_payload(999)), 1002),
    "close reason that is not UTF-8": (frame(8, close_payload(1000, b"\xff")), 1007),
    "1 GiB": (frame(2, size=1 << 30), 1009),
    "1 byte above 1 MiB": (frame(2, size=(1 << 20) + 1), 1009),
}


@pytest.mark.parametrize(("malformed", "code"), list(_MALFORMED.values()), ids=list(_MALFORMED))
def test_a_malformed_frame_closes_the_tunnel_and_nothing_of_it_or_after_it_reaches_the_target(
    malformed: bytes, code: int
) -> None:
    got: List[bytes] = []

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(6))
        got.append(await reader.read())
        writer.close()

    async def scenario() -> None:
        async with tunnels(target) as served:
            client = await served.raw()
            client.writer.write(frame(2, b"before"))
            assert await client.read_frame() == (2, b"before")
            client.writer.write(malformed + frame(2, b"after"))
            found, reason = await client.read_close()
            assert found == code
            client.abort()
            ended = await served.end()
            assert (ended.by, ended.code) == ("client", code)
            assert reason == (ONLY_BINARY if code == 1003 else "")

    run(scenario)
    assert got == [b""]


def test_a_malformed_frame_of_a_client_that_reads_nothing_ends_the_tunnel() -> None:
    async def target(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(_CHUNK)
            await writer.drain()

    async def scenario() -> None:
        async with tunnels(target) as served:
            client = await served.raw()
            client.stall()
            await asyncio.sleep(0.5)
            client.writer.write(frame(3))
            assert (await served.end()).code == 1002
            client.abort()

    run(scenario)


@pytest.mark.parametrize("cut", [1, 2, 5, 9])
def test_a_client_that_vanishes_within_a_frame_sends_nothing_of_it(cut: int) -> None:
    got: List[bytes] = []

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.close()

    async def scenario() -> None:
        async with tunnels(target) as served:
            client = await served.raw()
            client.writer.write(frame(2, b"payload")[:cut])
            client.writer.close()
            assert (await served.end()).code == 1006

    run(scenario)
    assert got == [b""]


def test_a_client_whose_frame_fills_memory_is_cut_off_by_any_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp 3.9 to 3.13 collect frames of any length. Here the own bound of the sandbox is below a valid frame."""
    monkeypatch.setattr(websocket, "_MAX_UNREAD", 256 * 1024)
    got: List[bytes] = []

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.close()

    async def scenario() -> None:
        async with tunnels(target) as served:
            client = await served.raw()
            client.writer.write(frame(2, b"before"))
            client.writer.write(frame(2, b"x" * (1 << 20)))
            assert (await served.end()).code == 1006

    run(scenario)
    assert got == [b"before"]


def test_a_client_that_sends_without_end_still_gets_the_last_bytes_and_the_close_of_its_target() -> None:
    async def target(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_CHUNK)
        writer.close()

    async def scenario() -> None:
        async with tunnels(target) as served:
            client = await served.raw()

            async def flood() -> None:
                while True:
                    client.writer.write(frame(2) * 1000)
                    await client.writer.drain()
                    await asyncio.sleep(0)

            flooding = asyncio.ensure_future(flood())
            assert await _until_close(client.read_frame) == (_CHUNK, 1000)
            flooding.cancel()
            await asyncio.wait([flooding])
            client.abort()
            ended = await served.end()
            assert (ended.by, ended.code) == ("target", 1000)

    run(scenario)


async def _until_close(read_frame: object) -> Tuple[bytes, int]:
    assert callable(read_frame)
    got = b""
    while True:
        opcode, payload = await read_frame()
        if opcode == 8:
            return got, int.from_bytes(payload[:2], "big")
        got += payload


def test_pings_are_answered_and_pongs_ignored_within_a_fragmented_message() -> None:
    async def scenario() -> None:
        async with tunnels(echo) as served:
            client = await served.raw()
            client.writer.write(frame(2, b"a", fin=False) + frame(10, b"unasked") + frame(9, b"first"))
            client.writer.write(frame(0, b"b", fin=False) + frame(0, b"", fin=False) + frame(0, b"c"))
            assert sorted([await client.read_frame(), await client.read_frame()]) == [(2, b"abc"), (10, b"first")]
            client.abort()
            await served.end()

    run(scenario)


def test_a_client_that_reads_slowly_gets_the_reason_when_its_tunnel_is_cut() -> None:
    async def target(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(_CHUNK)
            await writer.drain()

    async def scenario() -> None:
        async with tunnels(target, max_duration=1.0) as served:
            client = await served.raw()
            client.stall()
            await asyncio.sleep(1.3)
            client.stall(False)
            assert await client.read_close() == (1001, TIME_OVER)
            client.abort()
            assert (await served.end()).by == "time"

    run(scenario)
