# SPDX-License-Identifier: Apache-2.0
"""IMDSv2 over HTTP: session tokens with their TTL, and the statuses 401, 403, 404 and 405 as the real service has.

Source: EC2 User Guide, "Use the Instance Metadata Service".
"""

from __future__ import annotations

import asyncio
import secrets
import time
import weakref
from typing import Callable, Dict, List, Optional

from aiohttp import web

from ..faults import Faults
from .misbehaviour import error, misbehave

TOKEN_HEADER = "X-aws-ec2-metadata-token"
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN_PATH = "latest/api/token"
METADATA_PATH = "latest/meta-data/"
_MAX_TTL = 21600  # seconds
_MAX_KEPT = 10_000  # requests that are listed, tokens that are valid; the oldest are dropped

Read = Callable[[str], Optional[bytes]]
"""The body at a path below /latest/meta-data/; None means status 404."""


class Imds:
    """Serves what `read` returns.

    `requests` lists the last requests, as "METHOD path"; `received` and `connections` count all.
    """

    def __init__(self, read: Read, faults: Faults, clock: Callable[[], float] = time.monotonic) -> None:
        self.requests: List[str] = []
        self.received = 0
        self.connections = 0
        self._read = read
        self._faults = faults
        self._clock = clock
        self._tokens: Dict[str, float] = {}
        self._open: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    def application(self) -> web.Application:
        """The HTTP application: one handler for every path and method."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    def forget_tokens(self) -> None:
        """Expire every token."""
        self._tokens.clear()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.strip("/")
        self._count(request, path)
        fault = self._faults.take(path)
        if fault is not None:
            return await misbehave(fault, request, self._body(path) or b"")
        return self._answer(request, path)

    def _count(self, request: web.Request, path: str) -> None:
        self.received += 1
        self.requests.append(f"{request.method} {path[:1024]}")
        if len(self.requests) > _MAX_KEPT:
            del self.requests[: _MAX_KEPT // 2]
        if request.transport is not None and request.transport not in self._open:
            self._open.add(request.transport)
            self.connections += 1

    def _answer(self, request: web.Request, path: str) -> web.Response:
        if "X-Forwarded-For" in request.headers:
            return error(403, "Forbidden")
        if path == TOKEN_PATH:
            return self._new_token(request)
        if request.method not in ("GET", "HEAD"):
            return error(405, "Method Not Allowed")
        if self._tokens.get(request.headers.get(TOKEN_HEADER, ""), 0) <= self._clock():
            return error(401, "Unauthorized")
        body = self._body(path)
        if body is None:
            return error(404, "Not Found")
        return web.Response(body=body, content_type="text/plain")

    def _body(self, path: str) -> Optional[bytes]:
        return self._read(path[len(METADATA_PATH) :]) if path.startswith(METADATA_PATH) else None

    def _new_token(self, request: web.Request) -> web.Response:
        if request.method != "PUT":
            return error(405, "Method Not Allowed")
        ttl = request.headers.get(TTL_HEADER, "")
        if not (ttl.isascii() and ttl.isdigit() and len(ttl) <= 5 and 1 <= int(ttl) <= _MAX_TTL):
            return error(400, "Bad Request")
        token = secrets.token_urlsafe(40) + "=="
        while len(self._tokens) >= _MAX_KEPT:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[token] = self._clock() + int(ttl)
        return web.Response(text=token, headers={TTL_HEADER: ttl})
