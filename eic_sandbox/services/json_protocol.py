# SPDX-License-Identifier: Apache-2.0
"""AWS JSON 1.1, the protocol of the API: a POST to / with `X-Amz-Target: PREFIX.OPERATION` and a JSON object.

Any credentials are accepted, but the request must be signed with AWS Signature Version 4: the access key id becomes
part of the caller's ARN.
"""

from __future__ import annotations

import json
import re
from typing import Dict, Mapping

from aiohttp import web

_ACCOUNT = "123456789012"


class ServiceError(Exception):
    """An error that the service answers: its name, its message, its HTTP status."""

    def __init__(self, name: str, message: str, status: int = 400) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
        self.status = status


def caller(authorization: str, service: str) -> str:
    """The ARN of the caller, from the Authorization header. Raises ServiceError."""
    credential = re.match(
        rf"AWS4-HMAC-SHA256 Credential=([!-.0-~]{{1,128}})/[0-9]{{8}}/[a-z0-9-]+/{service}/aws4_request,", authorization
    )
    if credential is None:
        raise ServiceError("AuthException", f"the request is not signed for {service} with AWS Signature Version 4")
    return f"arn:aws:sts::{_ACCOUNT}:assumed-role/Sandbox/{credential.group(1)}"


def string_members(body: bytes) -> Dict[str, str]:
    """The members of a request whose members are all strings. Raises ServiceError."""
    try:
        members = json.loads(body)
    except ValueError:
        raise ServiceError("SerializationException", "the body is not JSON") from None
    if not isinstance(members, dict) or not all(isinstance(value, str) for value in members.values()):
        raise ServiceError("SerializationException", "the body is not an object of strings")
    return members


def output(members: Mapping[str, object], request_id: str) -> web.Response:
    """The response of an operation that succeeded."""
    return _response(members, request_id, 200)


def error(problem: ServiceError, request_id: str) -> web.Response:
    """The response from which the SDKs identify the error: its name in `__type`, its text in `Message`."""
    return _response({"__type": problem.name, "Message": problem.message}, request_id, problem.status)


def _response(members: Mapping[str, object], request_id: str, status: int) -> web.Response:
    return web.Response(
        status=status,
        body=json.dumps(members).encode(),
        headers={"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": request_id},
    )
