# SPDX-License-Identifier: Apache-2.0
"""Bodies and answers of the control API: JSON, and `{"error": ...}`, one line, for a request that is wrong."""

from __future__ import annotations

import json
from typing import Awaitable, Callable, Dict, Sequence
from urllib.parse import urlsplit

from aiohttp import web

from ..cloud.text import listed, shown
from ..iam.document import decode

MAX_BODY = 256 * 1024  # bytes


class BadRequest(ValueError):
    """A request is wrong. The message has one line, which names the object, the problem and a remedy."""


async def json_object(request: web.Request, required: Sequence[str], optional: Sequence[str] = ()) -> Dict[str, object]:
    """The JSON object in the body, with no other members than these. Raises ValueError."""
    try:
        text = (await request.read()).decode("utf-8")
        members = decode(text, "the body")
        json.dumps(members, ensure_ascii=False).encode("utf-8")
    except web.HTTPRequestEntityTooLarge:
        raise BadRequest(f"the body: over {MAX_BODY} bytes. Send a smaller one.") from None
    except RecursionError:
        raise BadRequest("the body: nested too deeply. Use fewer levels.") from None
    except UnicodeError:
        raise BadRequest("the body: not UTF-8. Send JSON in UTF-8, without halves of surrogate pairs.") from None
    if not isinstance(members, dict):
        raise BadRequest("the body: not a JSON object. Send {...}.")
    allowed = [*required, *optional]
    for name in members:
        if name not in allowed:
            raise BadRequest(f"the body: unknown member ({shown(name)}). Use: {listed(allowed)}.")
    for name in required:
        if name not in members:
            raise BadRequest(f"the body: {name} is missing. Send: {listed(required)}.")
    return members


async def texts(request: web.Request, required: Sequence[str], optional: Sequence[str] = ()) -> Dict[str, str]:
    """The JSON object in the body, whose members are all texts. Raises ValueError."""
    return {name: text(name, value) for name, value in (await json_object(request, required, optional)).items()}


def text(name: str, value: object) -> str:
    """A member that is a text. Raises BadRequest."""
    if not isinstance(value, str):
        raise BadRequest(f"the body: {name} is not a string. Put it in double quotes.")
    return value


def answer(value: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, text=json.dumps(value, indent=2) + "\n", content_type="application/json")


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answers status 400 to a request that is wrong, and 403 to one that a web page of another server makes.

    A browser sends the header Origin with such a request (RFC 6454, section 7), and lets any page make it.
    """
    try:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return _error(
                403, f"Origin: another server's web page ({shown(origin)}). Use `eic-sandbox`, or no browser."
            )
        return await handler(request)
    except ValueError as error:
        return _error(400, str(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        path = f"{request.method} {request.path}"
        return _error(error.status, f"{shown(path)}: {error.reason}. See docs/sandbox.md for the requests.")


def _error(status: int, problem: str) -> web.Response:
    return answer({"error": " ".join(problem.split("\n"))}, status)
