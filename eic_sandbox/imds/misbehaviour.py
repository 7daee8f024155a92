# SPDX-License-Identifier: Apache-2.0
"""The faults of the connection to IMDS: wrong statuses, silence, slow, broken and endless answers."""

from __future__ import annotations

import asyncio

from aiohttp import web

# Limits of every fault, whatever the client does.
_MAX_SECONDS = 120
_MAX_BYTES = 64 * 1024 * 1024

_STATUSES = {"error-500": 500, "error-503": 503, "unauthorized": 401, "forbidden": 403}
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
_PIECE = 65536  # bytes that an endless answer sends at once


def error(status: int, text: str) -> web.Response:
    """A plain-text error page, as IMDS sends."""
    return web.Response(status=status, text=f"{status} - {text}\n")


async def misbehave(fault: str, request: web.Request, body: bytes) -> web.StreamResponse:
    """Answer `request` with the `fault`; `body` is the genuine answer."""
    if fault in _STATUSES:
        return error(_STATUSES[fault], fault)
    if fault == "redirect":
        return web.Response(status=302, headers={"Location": request.path})
    transport = request.transport
    assert transport is not None
    if fault == "hang":
        await _wait_until_closed(transport)
    elif fault == "slow":
        await _send_slowly(transport, _HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    elif fault == "truncate":
        transport.write(_HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 100) + body)
    elif fault == "garbage":
        await _send_endlessly(transport, b"\xfe\x00garbage ")
    elif fault == "huge-body":
        await _send_endlessly(transport, b"x", _HEAD + b"\r\n")
    transport.close()
    return web.Response()


async def _wait_until_closed(transport: asyncio.Transport) -> None:
    for _ in range(_MAX_SECONDS * 20):
        if transport.is_closing():
            return
        await asyncio.sleep(0.05)


async def _send_slowly(transport: asyncio.Transport, data: bytes) -> None:
    """One byte a second."""
    for at in range(min(len(data), _MAX_SECONDS)):
        if transport.is_closing():
            return
        transport.write(data[at : at + 1])
        await asyncio.sleep(1)


async def _send_endlessly(transport: asyncio.Transport, pattern: bytes, head: bytes = b"") -> None:
    transport.write(head)
    piece = pattern * (_PIECE // len(pattern))
    for _ in range(_MAX_BYTES // len(piece)):
        for _ in range(200):
            if transport.is_closing():
                return
            if transport.get_write_buffer_size() < 4 * len(piece):
                break
            await asyncio.sleep(0.01)
        transport.write(piece)
        await asyncio.sleep(0)
