# SPDX-License-Identifier: Apache-2.0
"""The relay between a WebSocket over TLS and a TCP target, with real sockets: bytes, and who waits for whom."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import resource
from typing import List

import aiohttp
import pytest

from eic_sandbox.tunnel.relay import Counts

from .tunnels import MIB, Raw, echo, frame, run, silent, tunnels, until_steady

_MANY = 64 * MIB
_CHUNK = bytes(range(256)) * 256  # 64 KiB
_COUNT = _MANY // len(_CHUNK)


def numbered(at: int) -> bytes:
    """64 KiB that differ for each `at`."""
    return at.to_bytes(4, "big") + _CHUNK[4:]


def digest_of(count: int) -> str:
    digest = hashlib.sha256()
    for at in range(count):
        digest.update(numbered(at))
    return digest.hexdigest()


def memory() -> int:
    """This process's resident memory in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A target that sends without end and reads nothing."""
    while True:
        writer.write(_CHUNK)
        await writer.drain()


def test_64_mib_each_way_at_once_arrive_unchanged() -> None:
    got: List[str] = []

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def push() -> None:
            for at in range(_COUNT):
                writer.write(numbered(at))
                await writer.drain()

        pushing = asyncio.ensure_future(push())
        digest, left = hashlib.sha256(), _MANY
        while left:
            data = await reader.read(1 << 18)
            assert data
            digest.update(data)
            left -= len(data)
        got.append(digest.hexdigest())
        await pushing
        writer.close()

    async def scenario() -> None:
        async with tunnels(target) as served, served.client() as client:

            async def push() -> None:
                for at in range(_COUNT):
                    await client.send_bytes(numbered(at)[:65000])
                    await client.send_bytes(numbered(at)[65000:])

            pushing = asyncio.ensure_future(push())
            digest = hashlib.sha256()
            async for message in client:
                assert message.type is aiohttp.WSMsgType.BINARY
                digest.update(message.data)
            await pushing
            assert client.close_code == 1000
            assert digest.hexdigest() == digest_of(_COUNT)
            ended, counts = await served.end(), served.counts[0]
            assert (ended.by, counts.up, counts.down) == ("target", _MANY, _MANY)

    run(scenario)
    assert got == [digest_of(_COUNT)]


def test_a_stalled_client_stalls_its_target_and_no_other_tunnel() -> None:
    sent = [0]

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(1)
        while first == b"e":
            writer.write(_CHUNK)
            await writer.drain()
            sent[0] += len(_CHUNK)
        await echo(reader, writer)

    async def scenario() -> None:
        async with tunnels(target) as served, served.client() as other:
            stalled = await served.raw()
            stalled.stall()
            stalled.writer.write(frame(2, b"e"))
            await until_steady(lambda: sent[0])
            await other.send_bytes(b"1")
            await _exchange(other)
            assert sent[0] < _MANY
            await other.close()
            assert (await served.end()).code == 1000
            stalled.abort()
            ended = await served.end()
            assert (ended.by, ended.code) == ("client", 1006)

    run(scenario)


async def _exchange(client: aiohttp.ClientWebSocketResponse) -> None:
    """Send 4 MiB, which come back."""
    for at in range(64):
        await client.send_bytes(numbered(at))
        got = b""
        while len(got) < len(_CHUNK):
            got += await client.receive_bytes()
        assert got == numbered(at)


def test_a_stalled_target_stalls_its_client_alone_and_gets_everything_later() -> None:
    got = hashlib.sha256()
    go: List[asyncio.Event] = []

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(1) == b"1":
            await echo(reader, writer)
            return
        await go[0].wait()
        left = _MANY
        while left:
            data = await reader.read(1 << 18)
            assert data
            got.update(data)
            left -= len(data)
        writer.close()

    async def scenario() -> None:
        go.append(asyncio.Event())
        async with tunnels(target) as served, served.client() as client, served.client() as other:
            sent = [0]

            async def push() -> None:
                await client.send_bytes(b"s")
                for at in range(_COUNT):
                    await client.send_bytes(numbered(at))
                    sent[0] += len(_CHUNK)

            pushing = asyncio.ensure_future(push())
            await until_steady(lambda: sent[0])
            assert sent[0] < _MANY
            await other.send_bytes(b"1")
            await _exchange(other)
            go[0].set()
            await pushing
            assert (await client.receive()).type is aiohttp.WSMsgType.CLOSE
            await served.end()
            assert served.counts[0].up == _MANY + 1

    run(scenario)
    assert got.hexdigest() == digest_of(_COUNT)


def test_what_a_client_sent_before_its_end_reaches_a_target_that_reads_later() -> None:
    got: List[int] = []

    async def target(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2.0)  # longer than the client's Close may take
        got.append(len(await reader.read(-1)))

    async def scenario() -> None:
        async with tunnels(target) as served:
            async with served.client() as client:
                for _ in range(16):
                    await client.send_bytes(_CHUNK)
            assert (await served.end()).code == 1000
            while not got:
                await asyncio.sleep(0.1)

    run(scenario)
    assert got == [16 * len(_CHUNK)]


def test_empty_frames_without_end_stop_neither_direction_and_do_not_reach_the_target() -> None:
    async def scenario() -> None:
        async with tunnels(echo) as served:
            client = await served.raw()
            for at in range(20):
                client.writer.write(frame(2) * 15_000 + frame(2, b"%02d" % at))
                await client.writer.drain()
                assert await client.read_frame() == (2, b"%02d" % at)
            client.abort()
            await served.end()
            assert served.counts[0].up == 40

    run(scenario)


FLOODS = [
    pytest.param(frame(2), id="empty messages"),
    pytest.param(frame(2, fin=False) + frame(0), id="empty fragments"),
    pytest.param(frame(9), id="empty PINGs"),
    pytest.param(frame(9, b"p" * 125), id="long PINGs"),
    pytest.param(frame(10), id="PONGs"),
]


async def _flood(client: Raw, frames: bytes) -> None:
    """Send 8 MiB of `frames`, or what the server takes."""
    many = frames * (64 * 1024 // len(frames))
    with contextlib.suppress(asyncio.TimeoutError):
        for _ in range(128):
            client.writer.write(many)
            await asyncio.wait_for(client.writer.drain(), 1)


async def _stall_target(client: Raw, counts: Counts) -> None:
    """Send until the relay has a message that its target does not take."""
    sent = 0
    while counts.up == sent:
        client.writer.write(frame(2, b"x" * 60_000))
        sent += 60_000
        for _ in range(200):
            if counts.up == sent:
                break
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("frames", FLOODS)
def test_frames_without_end_fill_no_memory_while_the_target_is_stalled_and_the_other_direction_flows(
    frames: bytes,
) -> None:
    async def target(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        go.append(writer)
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with tunnels(target) as served:
            client = await served.raw()
            await _stall_target(client, served.counts[0])
            before = memory()
            await _flood(client, frames)
            assert memory() - before < 24 * MIB
            go[0].write(b"down")
            opcode = 0
            while opcode != 2:
                opcode, payload = await client.read_frame()
            assert payload == b"down"
            client.abort()
            served.stop.set_result("over")
            assert (await served.end()).by in ("stop", "client")

    go: List[asyncio.StreamWriter] = []
    run(scenario)


@pytest.mark.parametrize("frames", FLOODS)
def test_frames_without_end_of_a_client_that_reads_nothing_fill_no_memory(frames: bytes) -> None:
    async def scenario() -> None:
        async with tunnels(endless) as served:
            client = await served.raw()
            client.stall()
            await asyncio.sleep(0.5)
            before = memory()
            await _flood(client, frames)
            assert memory() - before < 24 * MIB
            client.abort()
            await served.end()

    run(scenario)


def test_a_frame_that_arrives_byte_by_byte_is_passed_on_whole() -> None:
    async def scenario() -> None:
        async with tunnels(echo) as served:
            client = await served.raw()
            for byte in frame(9, b"ping") + frame(2, b"slowly") + frame(2, b"x" * 130):
                client.writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert await client.read_frame() == (10, b"ping")
            got = b""
            while len(got) < 136:
                got += (await client.read_frame())[1]
            assert got == b"slowly" + b"x" * 130
            client.abort()
            await served.end()

    run(scenario)


def test_a_message_of_1_mib_is_accepted() -> None:
    async def scenario() -> None:
        async with tunnels(echo) as served, served.client() as client:
            await client.send_bytes(b"x" * MIB)
            got = 0
            while got < MIB:
                got += len(await client.receive_bytes())
            assert got == MIB

    run(scenario)


def test_many_tunnels_that_end_leave_no_memory_behind() -> None:
    async def scenario() -> None:
        async with tunnels(silent) as served:
            before = 0
            for at in range(60):
                client = await served.raw()
                client.writer.write(frame(2, b"x" * 60_000))
                client.abort()
                await served.end()
                if at == 20:
                    before = memory()
            assert memory() - before < 16 * MIB

    run(scenario)
