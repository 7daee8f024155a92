# SPDX-License-Identifier: Apache-2.0
"""Bodies and answers of the control API: JSON; status 400 and `{"error": ...}` for a request that is wrong."""

from __future__ import annotations

import json
from typing import Awaitable, Callable, Dict

from aiohttp import web


async def json_object(request: web.Request) -> Dict[str, object]:
    """The JSON object in the body. Raises ValueError."""
    try:
        members = json.loads(await request.text())
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None
    if not isinstance(members, dict):
        raise ValueError("the body is not a JSON object")
    return members


async def members(request: web.Request, *names: str) -> Dict[str, str]:
    """The members of the JSON object in the body, which are texts and have these names. Raises ValueError."""
    found = await json_object(request)
    if not all(isinstance(found.get(name), str) for name in names):
        wanted = ", ".join(f'"{name}": {name.upper()}' for name in names)
        raise ValueError(f"the body is not {{{wanted}}}")
    return {name: value for name, value in found.items() if isinstance(value, str)}


def answer(value: object) -> web.Response:
    """An answer in JSON."""
    return web.Response(text=json.dumps(value, indent=2) + "\n", content_type="application/json")


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answers status 400 and `{"error": ...}` to a request that is wrong."""
    try:
        return await handler(request)
    except ValueError as error:
        return web.Response(status=400, text=json.dumps({"error": str(error)}) + "\n", content_type="application/json")
