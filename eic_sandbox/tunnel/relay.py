# SPDX-License-Identifier: Apache-2.0
"""Relays between a client's WebSocket and its target until one of them ends, or the time is over.

What one side does not read is not read from the other: the client's connection is paused while its target takes
nothing, so that a client that sends without end (the AWS CLI sends empty frames at the end of its input) fills no
memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any, Callable, List, Optional

from aiohttp import WSMsgType, web

from .target import Target

TIME_OVER = "The tunnel reached its maximum duration"
RESET = "The target reset the connection"
ONLY_BINARY = "Only binary messages are accepted"
MAX_MESSAGE = 1024 * 1024  # bytes; the AWS CLI sends up to 65,000 in a message
GRACE = 1.0  # seconds for which a peer may take its last bytes, and close
_PIECE = 256 * 1024  # bytes in a message to the client
_HIGH_WATER = 512 * 1024  # bytes that wait for the target when the client is paused

# RFC 6455 section 7.4.1.
_OK, _GOING_AWAY, _UNSUPPORTED, _ABNORMAL, _INTERNAL_ERROR = 1000, 1001, 1003, 1006, 1011
_CLOSED = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


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


def new_websocket() -> web.WebSocketResponse:
    """A WebSocket for `relay`: without compression, which costs more than it saves for what ssh has encrypted."""
    return web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE, timeout=GRACE, autoping=True)


async def relay(
    websocket: web.WebSocketResponse,
    client: asyncio.Transport,
    target: Target,
    *,
    max_duration: float,
    stop: Optional[asyncio.Future[str]] = None,
    counts: Optional[Counts] = None,
    clock: Callable[[], float] = time.monotonic,
) -> Ended:
    """Relay, then close both connections, within `max_duration` and GRACE, in seconds.

    `client` is the connection below the WebSocket. `stop` ends the tunnel with a reason for the client.
    """
    deadline = clock() + max_duration
    counts = counts or Counts()
    up = asyncio.ensure_future(_up(websocket, client, target, counts))
    down = asyncio.ensure_future(_down(websocket, target, counts))
    causes: List[asyncio.Future[Any]] = [up, down, *([stop] if stop is not None else [])]
    try:
        await asyncio.wait(causes, timeout=max(deadline - clock(), 0), return_when=asyncio.FIRST_COMPLETED)
        ended = _cause(up, down, stop)
        if ended.by == "client":
            await _finish(target)
        await _end(up, down)
        if ended.code != _ABNORMAL:
            await _within_grace(websocket.close(code=ended.code, message=ended.reason.encode()))
        return ended
    finally:
        await _end(up, down)
        target.abort()
        client.abort()


def _cause(up: asyncio.Future[Ended], down: asyncio.Future[Ended], stop: Optional[asyncio.Future[str]]) -> Ended:
    for task in (down, up):
        if task.done():
            return task.result()
    if stop is not None and stop.done():
        return Ended(_GOING_AWAY, stop.result(), "stop")
    return Ended(_GOING_AWAY, TIME_OVER, "time")


async def _up(websocket: web.WebSocketResponse, client: asyncio.Transport, target: Target, counts: Counts) -> Ended:
    """From the client to the target, until the client closes."""
    to_target = target.writer.transport
    while True:
        message = await websocket.receive()
        if message.type is WSMsgType.BINARY:
            if not message.data:
                continue
            counts.up += len(message.data)
            target.writer.write(message.data)
            if to_target.get_write_buffer_size() > _HIGH_WATER:
                client.pause_reading()
                try:
                    await target.writer.drain()
                except OSError:
                    return Ended(_INTERNAL_ERROR, RESET, "target")
                client.resume_reading()
        elif message.type in _CLOSED:
            return Ended(websocket.close_code or _ABNORMAL, "", "client")
        elif message.type is WSMsgType.TEXT:
            return Ended(_UNSUPPORTED, ONLY_BINARY, "client")


async def _down(websocket: web.WebSocketResponse, target: Target, counts: Counts) -> Ended:
    """From the target to the client, until the target closes, or the client is gone."""
    while True:
        try:
            data = await target.reader.read(_PIECE)
        except OSError:
            return Ended(_INTERNAL_ERROR, RESET, "target")
        if not data:
            return Ended(_OK, "", "target")
        counts.down += len(data)
        try:
            await websocket.send_bytes(data)
        except (OSError, RuntimeError):  # the connection is closed, or closing: RuntimeError in aiohttp before 3.11
            return Ended(_ABNORMAL, "", "client")


async def _finish(target: Target) -> None:
    """Let the target take what the client sent last."""
    with contextlib.suppress(OSError):
        target.writer.close()
        await _within_grace(target.writer.wait_closed())


async def _within_grace(waiting: Any) -> None:
    with contextlib.suppress(asyncio.TimeoutError, OSError):
        await asyncio.wait_for(waiting, GRACE)


async def _end(*tasks: asyncio.Future[Ended]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
