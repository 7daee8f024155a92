# SPDX-License-Identifier: Apache-2.0
"""The testbed's client for tunnels: testbed/tunnel_client.py."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import List, Sequence

import pytest
from aiohttp import WSMsgType, web

from testbed import tunnel_client

from .tunnel_process import client, command, environment, result, result_with
from .tunnel_server import DATA, LIMIT, REGION, Handler, echo, opened, serving


def test_the_connection_comes_from_the_given_source() -> None:
    sources: List[object] = []

    async def note(request: web.Request) -> web.StreamResponse:
        sources.append(request.remote)
        return web.Response(status=403)

    assert asyncio.run(result_with(note, "--source", "127.0.0.7")) == (255, "HTTP 403\n")
    assert sources == ["127.0.0.7"]


def test_standard_input_and_output_are_relayed_until_standard_input_ends() -> None:
    async def run() -> None:
        async with serving(echo) as port, client(port, "--max-duration", "60") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(DATA)
            assert await asyncio.wait_for(process.stdout.readexactly(len(DATA)), LIMIT) == DATA
            process.stdin.close()
        assert process.returncode == 0

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, len(DATA)])
def test_a_file_as_standard_input_is_sent_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "input").write_bytes(DATA[:size])
    received = bytearray()

    async def collect(request: web.Request) -> web.StreamResponse:
        tunnel = await opened(request)
        async for message in tunnel:
            received.extend(message.data)
        return tunnel

    async def run() -> None:
        with open(tmp_path / "input", "rb") as file:
            async with serving(collect) as port, client(port, stdin=file.fileno()) as process:
                pass
        assert process.returncode == 0

    asyncio.run(run())
    assert bytes(received) == DATA[:size]


def test_a_socket_as_standard_input_is_relayed() -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with serving(echo) as port, client(port, stdin=theirs.fileno()) as process:
                ours.send(b"hello")
                assert process.stdout is not None
                assert await asyncio.wait_for(process.stdout.readexactly(5), LIMIT) == b"hello"
                theirs.close()
                ours.close()
        assert process.returncode == 0

    asyncio.run(run())


def test_one_socket_as_standard_input_and_output_is_relayed() -> None:
    async def run() -> int:
        ours, theirs = socket.socketpair()
        async with serving(echo) as port:
            process = await asyncio.create_subprocess_exec(
                *command(port), stdin=theirs.fileno(), stdout=theirs.fileno(), env=environment()
            )
            theirs.close()
            reader, writer = await asyncio.open_connection(sock=ours)
            for data in (b"one", b"three"):
                writer.write(data)
                assert await asyncio.wait_for(reader.readexactly(len(data)), LIMIT) == data
            writer.close()
            return await asyncio.wait_for(process.wait(), LIMIT)

    assert asyncio.run(run()) == 0


async def _close_1000(request: web.Request) -> web.StreamResponse:
    tunnel = await opened(request)
    await tunnel.close(code=1000)
    return tunnel


async def _close_1011(request: web.Request) -> web.StreamResponse:
    tunnel = await opened(request)
    await tunnel.close(code=1011, message=b"Unable to connect to target")
    return tunnel


async def _close_4000(request: web.Request) -> web.StreamResponse:
    tunnel = await opened(request)
    await tunnel.close(code=4000)
    return tunnel


async def _text(request: web.Request) -> web.StreamResponse:
    tunnel = await opened(request)
    await tunnel.send_str("text")
    await tunnel.receive()
    return tunnel


async def _abort(request: web.Request) -> web.StreamResponse:
    tunnel = await opened(request)
    assert request.transport is not None
    request.transport.abort()
    return tunnel


async def _refuse(_: web.Request) -> web.StreamResponse:
    return web.Response(status=400, text='{"ErrorCode":"InvalidParameter","Message":"é"}')


@pytest.mark.parametrize(
    ("handler", "status", "errors"),
    [
        (_close_1000, 0, ""),
        (_close_1011, 255, "Unable to connect to target\n"),
        (_close_4000, 255, "closed with code 4000\n"),
        (_text, 255, "the endpoint sent a text frame\n"),
        (_abort, 255, "the endpoint closed the connection without a close frame\n"),
        (_refuse, 255, '{"ErrorCode":"InvalidParameter","Message":"é"}\n'),
    ],
)
def test_the_end_of_a_tunnel_is_in_the_exit_status_and_the_errors(handler: Handler, status: int, errors: str) -> None:
    assert asyncio.run(result_with(handler)) == (status, errors)


def test_an_endpoint_that_does_not_listen_is_an_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        status, errors = asyncio.run(result(unused.getsockname()[1]))
    assert status == 255
    assert errors.startswith("no connection to the endpoint: ")


def test_the_client_ends_when_nothing_reads_its_output() -> None:
    """Neither side sends anything, and standard input stays open."""

    async def run() -> int:
        connected = asyncio.Event()

        async def silent(request: web.Request) -> web.StreamResponse:
            tunnel = await opened(request)
            connected.set()
            assert (await tunnel.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
            return tunnel

        reading, writing = os.pipe()
        async with serving(silent) as port:
            process = await asyncio.create_subprocess_exec(
                *command(port), stdin=asyncio.subprocess.PIPE, stdout=writing, env=environment()
            )
            os.close(writing)
            await asyncio.wait_for(connected.wait(), LIMIT)
            os.close(reading)
            return await asyncio.wait_for(process.wait(), LIMIT)

    assert asyncio.run(run()) == 0


def test_each_connection_to_the_listener_has_a_tunnel_and_a_refusal_ends_only_its_own() -> None:
    requests: List[web.Request] = []

    async def second_is_refused(request: web.Request) -> web.StreamResponse:
        requests.append(request)
        return await (_refuse if len(requests) == 2 else echo)(request)

    async def exchange(port: int, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(len(data)), LIMIT)
        finally:
            writer.close()

    async def run() -> None:
        async with serving(second_is_refused) as port, client(port, "--listen", "127.0.0.1:0") as process:
            assert process.stderr is not None
            line = (await asyncio.wait_for(process.stderr.readline(), LIMIT)).decode()
            assert line.startswith("listening on 127.0.0.1:")
            listener = int(line.rpartition(":")[2])
            assert await exchange(listener, b"first") == b"first"
            assert await exchange(listener, b"second") == b""
            assert b"InvalidParameter" in await asyncio.wait_for(process.stderr.readline(), LIMIT)
            assert await exchange(listener, b"third") == b"third"
            process.terminate()
        assert len(requests) == 3

    asyncio.run(run())


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_missing_credentials_are_a_usage_error(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv(missing)
    options: Sequence[str] = ["--url", "ws://x", "--endpoint-id", "e", "--address", "10.0.0.1", "--region", REGION]
    with pytest.raises(SystemExit) as ended:
        tunnel_client.main(options)
    assert ended.value.code == 2
    assert f"{missing} is not set" in capsys.readouterr().err
