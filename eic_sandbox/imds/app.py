# SPDX-License-Identifier: Apache-2.0
"""The sandbox's IMDSv2: tokens with their TTL, 401/403/404 as the real one, and its faults on the wire."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Callable, Dict, List, Optional

from aiohttp import web

from ..cloud.instance import Instance

_TOKEN = "X-aws-ec2-metadata-token"
_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
_MAX_TTL = 21600
# No fault goes on longer or sends more than this, whatever the client does.
_FAULT_SECONDS = 120
_FAULT_BYTES = 64 * 1024 * 1024


class Imds:
    """Answers for `instance`; `requests` lists what was asked, as "METHOD path", for tests and `status`."""

    def __init__(self, instance: Instance, clock: Callable[[], float] = time.monotonic) -> None:
        self.requests: List[str] = []
        self.connections = 0
        self._instance = instance
        self._clock = clock
        self._tokens: Dict[str, float] = {}
        self._seen: Dict[int, object] = {}

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    def forget_tokens(self) -> None:
        """Let every token expire at once."""
        self._tokens.clear()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.strip("/")
        self.requests.append(f"{request.method} {path}")
        if id(request.transport) not in self._seen:
            self._seen[id(request.transport)] = request.transport
            self.connections += 1
        fault = self._instance.faults.take(path)
        if fault is not None:
            return await _misbehave(fault, request, self._body(request, path) or b"")
        return self._answer(request, path)

    def _answer(self, request: web.Request, path: str) -> web.Response:
        if "X-Forwarded-For" in request.headers:
            return _error(403, "Forbidden")
        if path == "latest/api/token":
            return self._token(request)
        if request.method not in ("GET", "HEAD"):
            return _error(405, "Method Not Allowed")
        if self._tokens.get(request.headers.get(_TOKEN, ""), 0) <= self._clock():
            return _error(401, "Unauthorized")
        body = self._body(request, path)
        if body is None:
            return _error(404, "Not Found")
        return web.Response(body=body, content_type="text/plain")

    def _body(self, request: web.Request, path: str) -> Optional[bytes]:
        prefix = "latest/meta-data/"
        return self._instance.read(path[len(prefix) :]) if path.startswith(prefix) else None

    def _token(self, request: web.Request) -> web.Response:
        if request.method != "PUT":
            return _error(405, "Method Not Allowed")
        ttl = request.headers.get(_TTL, "")
        if not (ttl.isascii() and ttl.isdigit() and len(ttl) <= 5 and 1 <= int(ttl) <= _MAX_TTL):
            return _error(400, "Bad Request")
        token = secrets.token_urlsafe(40) + "=="
        self._tokens[token] = self._clock() + int(ttl)
        return web.Response(text=token, headers={_TTL: ttl})


def _error(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{status} - {text}\n")


async def _misbehave(fault: str, request: web.Request, body: bytes) -> web.StreamResponse:
    statuses = {"error-500": 500, "error-503": 503, "unauthorized": 401, "forbidden": 403}
    if fault in statuses:
        return _error(statuses[fault], fault)
    if fault == "redirect":
        return web.Response(status=302, headers={"Location": request.path})
    transport = request.transport
    assert transport is not None
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    if fault == "hang":
        await _until_closed(transport)
    elif fault == "slow":
        await _drip(transport, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    elif fault == "truncate":
        transport.write(head + b"Content-Length: %d\r\n\r\n" % (len(body) + 100) + body)
    elif fault == "garbage":
        await _pour(transport, b"\xfe\x00garbage ")
    elif fault == "huge-body":
        await _pour(transport, b"x", head + b"\r\n")
    transport.close()
    return web.Response()


async def _until_closed(transport: asyncio.Transport) -> None:
    for _ in range(_FAULT_SECONDS * 20):
        if transport.is_closing():
            return
        await asyncio.sleep(0.05)


async def _drip(transport: asyncio.Transport, data: bytes) -> None:
    for at in range(min(len(data), _FAULT_SECONDS)):
        if transport.is_closing():
            return
        transport.write(data[at : at + 1])
        await asyncio.sleep(1)


async def _pour(transport: asyncio.Transport, pattern: bytes, head: bytes = b"") -> None:
    transport.write(head)
    piece = pattern * (65536 // len(pattern))
    for _ in range(_FAULT_BYTES // len(piece)):
        for _ in range(200):
            if transport.is_closing():
                return
            if transport.get_write_buffer_size() < 4 * len(piece):
                break
            await asyncio.sleep(0.01)
        transport.write(piece)
        await asyncio.sleep(0)
