# SPDX-License-Identifier: Apache-2.0
"""An aiohttp request as signatures, condition keys and the trail see it."""

from __future__ import annotations

import ssl
import uuid
from typing import Optional

from aiohttp import web

from ..cloud.access import Origin
from ..iam.sigv4 import HttpRequest
from ..trail.event import Attempt, Tls


def signed_request(request: web.Request, body: bytes) -> HttpRequest:
    """The request as it was received."""
    path, _, query = request.raw_path.partition("?")
    headers = tuple((_text(name), _text(value)) for name, value in request.raw_headers)
    return HttpRequest(request.method, path, query, headers, body)


def peer(request: web.Request) -> str:
    """The address of the caller, also of one that has closed its connection since: its request is carried out."""
    return (request.remote or "0.0.0.0").partition("%")[0]  # noqa: S104 - no address


def tls(request: web.Request) -> Optional[Tls]:
    """The TLS connection of the request; None without TLS."""
    found = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    if not isinstance(found, ssl.SSLObject):
        return None
    cipher = found.cipher()
    return Tls(found.version() or "", cipher[0] if cipher else "", request.headers.get("Host", ""))


def user_agent(request: web.Request) -> str:
    """The User-Agent header."""
    return request.headers.get("User-Agent", "")[:1024]


def attempt(request: web.Request, *, at: float, source: str, name: str, region: str, account: str) -> Attempt:
    """The request for the trail, with a new request id, before it is known who calls."""
    return Attempt(
        at=at,
        source=source,
        name=name,
        region=region,
        address=peer(request),
        user_agent=user_agent(request),
        request_id=str(uuid.uuid4()),
        caller=None,
        account=account,
        tls=tls(request),
    )


def origin(of: Attempt, region: str) -> Origin:
    """Where a request comes from, as condition keys see it."""
    return Origin(of.at, of.address, of.tls is not None, region, of.user_agent)


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")
