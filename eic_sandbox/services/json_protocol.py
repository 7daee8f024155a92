# SPDX-License-Identifier: Apache-2.0
"""AWS JSON 1.1: a POST to / with `X-Amz-Target: PREFIX.OPERATION` and a JSON object.

Source: the AWS SDKs' service models, protocol `json`.
"""

from __future__ import annotations

import json
from typing import Dict, Mapping

from ..iam.document import Json
from .errors import ServiceError

CONTENT_TYPE = "application/x-amz-json-1.1"


def members(body: bytes) -> Dict[str, Json]:
    """The members of a request. Raises ServiceError."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ServiceError("SerializationException", "The body is not JSON") from None
    if not isinstance(found, dict):
        raise ServiceError("SerializationException", "The body is not a JSON object")
    return found


def strings(found: Mapping[str, Json]) -> Dict[str, str]:
    """The members of a request that are all strings. Raises ServiceError."""
    for name, value in found.items():
        if not isinstance(value, str):
            raise ServiceError("SerializationException", f"{name[:64]} is not a string")
    return {name: str(value) for name, value in found.items()}


def answer(output: Mapping[str, Json]) -> bytes:
    """The body of the answer of an operation that succeeded."""
    return json.dumps(output).encode()


def error(problem: ServiceError) -> bytes:
    """The body from which the SDKs identify an error: its name in `__type`, its text in `Message`."""
    return json.dumps({"__type": problem.name, "Message": problem.message, "message": problem.message}).encode()
