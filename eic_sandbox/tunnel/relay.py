# SPDX-License-Identifier: Apache-2.0
"""Relays between a client's WebSocket and its target until one of them ends, or the time is over.

What one side does not read is not read from the other. Empty frames and PINGs without end
fill no memory either.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Optional

from aiohttp import WebSocketError, WSMessage, WSMsgType

from .target import Target
from .websocket import GONE, GRACE, LINGER, WebSocket, uninterrupted, within

TIME_OVER = "The tunnel reached its maximum duration"
RESET = "The target reset the connection"
ONLY_BINARY = "Only binary messages are accepted"
_TO_CLIENT = 512 * 1024  # bytes that may wait for the client before its target is not read
_OVERHEAD = 16 * 1024  # bytes that WebSocket and TLS add to a message at most
_PONGS = 64 * 1024  # bytes that wait for the client when PINGs are not answered

# RFC 6455 section 7.4.1. 1005 and 1006 are in no frame: no code was sent, or no Close at all.
_OK, _GOING_AWAY, _UNSUPPORTED, _NO_CODE, _ABNORMAL, _INTERNAL_ERROR = 1000, 1001, 1003, 1005, 1006, 1011


@dataclass(frozen=True)
class Ended:
    """How a tunnel ended: the code and reason of the Close frame, and whose doing it was.

    `by` is "client", "target", "time" (the maximum duration) or "stop". Code 1006 is a client that closed its
    connection without a Close frame, as the AWS CLI always does.
    """

    code: int
    reason: str
    by: str


@dataclass
class Counts:
    """Payload so far: `up` from the client, `down` from the target, in bytes."""

    up: int = 0
    down: int = 0


async def relay(
    websocket: WebSocket,
    client: asyncio.Transport,
    target: Target,
    *,
    max_duration: float,
    stop: Optional[asyncio.Future[str]] = None,
    counts: Optional[Counts] = None,
    clock: Callable[[], float] = time.monotonic,
) -> Ended:
    """Relay, then close both connections, within `max_duration` and twice GRACE, in seconds.

    `client` is the connection below the WebSocket. `stop` ends the tunnel with a reason for the client.
    """
    deadline = clock() + max_duration
    counts = counts or Counts()
    websocket.bound(client)
    up = asyncio.ensure_future(_up(websocket, client, target, counts))
    down = asyncio.ensure_future(_down(websocket, client, target, counts))
    causes: List[asyncio.Future[Any]] = [up, down, *([stop] if stop is not None else [])]
    try:
        await asyncio.wait(causes, timeout=max(deadline - clock(), 0), return_when=asyncio.FIRST_COMPLETED)
        ended = _cause(up, down, stop)
        await _end(up, down)
        left = max(deadline - clock(), GRACE)
        if not websocket.closed:
            seconds = left if ended.by == "target" else GRACE
            await websocket.close_and_wait(client, ended.code, ended.reason, seconds)
        if ended.by == "client":
            if not client.is_closing():
                client.close()  # a second close() would make abort() impossible for TLS of Python 3.11
            await _finish(target, min(left, LINGER))
        return ended
    finally:
        await _end(up, down)
        target.connection.abort()
        with contextlib.suppress(*GONE):
            client.abort()


def _cause(up: asyncio.Future[Ended], down: asyncio.Future[Ended], stop: Optional[asyncio.Future[str]]) -> Ended:
    for task in (down, up):
        if task.done():
            return task.result()
    if stop is not None and stop.done():
        return Ended(_GOING_AWAY, stop.result(), "stop")
    return Ended(_GOING_AWAY, TIME_OVER, "time")


async def _up(websocket: WebSocket, client: asyncio.Transport, target: Target, counts: Counts) -> Ended:
    """From the client to the target, until the client closes."""
    while True:
        message = await websocket.receive()
        if message.type is WSMsgType.BINARY:
            if not message.data:
                continue
            if target.connection.is_closing():
                return Ended(_INTERNAL_ERROR, RESET, "target")
            counts.up += len(message.data)
            target.connection.write(message.data)
            if target.busy:
                with _paused(client):
                    await target.drain()
        elif message.type is WSMsgType.PING:
            await _pong(websocket, client, message.data)
        elif message.type is not WSMsgType.PONG:
            return _end_of(message)


def _end_of(message: WSMessage) -> Ended:
    if message.type is WSMsgType.TEXT:
        return Ended(_UNSUPPORTED, ONLY_BINARY, "client")
    if message.type is WSMsgType.CLOSE:
        return Ended(message.data or _NO_CODE, message.extra or "", "client")
    if message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
        return Ended(message.data.code, str(message.data), "client")
    return Ended(_ABNORMAL, "", "client")


async def _pong(websocket: WebSocket, client: asyncio.Transport, data: bytes) -> None:
    """Answer a PING, unless answers already wait for the client: RFC 6455 section 5.5.3 allows to leave some out."""
    with contextlib.suppress(*GONE):
        if client.get_write_buffer_size() < _PONGS:
            await uninterrupted(websocket.pong(data))


@contextlib.contextmanager
def _paused(client: asyncio.Transport) -> Iterator[None]:
    """Reads nothing of the client: aiohttp 3.8 sets no limit to the number of empty messages that wait."""
    with contextlib.suppress(*GONE):
        client.pause_reading()
    try:
        yield
    finally:
        with contextlib.suppress(*GONE):
            client.resume_reading()


async def _down(websocket: WebSocket, client: asyncio.Transport, target: Target, counts: Counts) -> Ended:
    """From the target to the client, until the target closes, or the client is gone."""
    with contextlib.suppress(*GONE):
        client.set_write_buffer_limits(_TO_CLIENT, _TO_CLIENT)
    while True:
        try:
            data = await target.read()
        except OSError:
            return Ended(_INTERNAL_ERROR, RESET, "target")
        if not data:
            return Ended(_OK, "", "target")
        counts.down += len(data)
        try:
            await _send(websocket, client, data)
        except GONE:
            await asyncio.sleep(GRACE)  # while the client sends no more than its target takes, _up knows how it closed
            return Ended(_ABNORMAL, "", "client")


async def _send(websocket: WebSocket, client: asyncio.Transport, data: bytes) -> None:
    if client.get_write_buffer_size() + len(data) + _OVERHEAD <= _TO_CLIENT:
        await websocket.send_bytes(data)  # does not wait: a task would cost more than the message
    else:
        await uninterrupted(websocket.send_bytes(data))


async def _finish(target: Target, seconds: float) -> None:
    """Let the target take what the client sent last, for up to `seconds`, and then close, for up to GRACE.

    A connection with bytes that were not read would be reset, and the target could lose its last ones too.
    """
    await within(seconds, target.finish())
    await within(GRACE, _read_to_end(target))


async def _read_to_end(target: Target) -> None:
    while await target.read():
        pass


async def _end(*tasks: asyncio.Future[Ended]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
