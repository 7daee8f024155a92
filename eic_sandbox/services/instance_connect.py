# SPDX-License-Identifier: Apache-2.0
"""EC2 Instance Connect's API: SendSSHPublicKey, as the AWS SDKs and the AWS CLI call it.

Member names, patterns, lengths and error names are from the service model that botocore ships
(ec2-instance-connect, version 2018-04-02).
"""

from __future__ import annotations

import re
import uuid
from typing import Dict, Optional

from aiohttp import web

from ..cloud.instance import Instance
from . import json_protocol
from .json_protocol import ServiceError
from .ssh_public_key import UnacceptableKey, authorized_keys_line

SERVICE = "ec2-instance-connect"
TARGET = "AWSEC2InstanceConnectService.SendSSHPublicKey"

# The service model's patterns; `$` there is the end of the string, and never before a last newline.
INSTANCE_ID = re.compile(r"i-[a-f0-9]{8,30}")
ZONE = re.compile(r"(?=.{6,32}$)(\w+-){2,3}\d+\w+", re.ASCII)
OS_USER = re.compile(
    r"(?=.{1,32}$)(?:"
    r"[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?"
    r"|(?=.{2,32}$)[0-9]{1,32}[A-Za-z@._-][A-Za-z0-9@._-]*[A-Za-z0-9$_-]?"
    r")"
)
_KEY_LENGTHS = range(80, 4097)  # characters
_SHOWN = 64  # characters of a value that a message repeats

_FAULTS = {
    "api-auth": ("AuthException", "The caller may not connect to this instance.", 400),
    "api-throttling": ("ThrottlingException", "Too many requests.", 400),
    "api-service": ("ServiceException", "The service encountered an error.", 500),
    "api-instance-stopped": ("EC2InstanceStateInvalidException", "The instance is not running.", 400),
    "api-instance-unavailable": ("EC2InstanceUnavailableException", "The instance is unavailable.", 400),
}


class InstanceConnect:
    """Pushes keys to `instance`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def application(self) -> web.Application:
        """The HTTP application: every operation is a POST to `/` (AWS JSON 1.1)."""
        application = web.Application()
        application.router.add_post("/", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            request_id = self._send_ssh_public_key(request, await request.read())
        except ServiceError as problem:
            return json_protocol.error(problem, str(uuid.uuid4()))
        return json_protocol.output({"RequestId": request_id, "Success": True}, request_id)

    def _send_ssh_public_key(self, request: web.Request, body: bytes) -> str:
        """Returns the request id. Raises ServiceError."""
        caller = json_protocol.caller(request.headers.get("Authorization", ""), SERVICE)
        target = request.headers.get("X-Amz-Target", "")
        if target != TARGET:
            raise ServiceError("UnknownOperationException", f"the sandbox does not offer this operation ({target!r})")
        fault = self._instance.faults.take_api()
        if fault is not None:
            raise ServiceError(*_FAULTS[fault])
        members = json_protocol.string_members(body)
        self._require_valid(members)
        line = _acceptable_key(members["SSHPublicKey"])
        return self._instance.push(members["InstanceOSUser"], line, caller)

    def _require_valid(self, members: Dict[str, str]) -> None:
        _require(members, "InstanceId", INSTANCE_ID)
        _require(members, "InstanceOSUser", OS_USER)
        _require(members, "SSHPublicKey", None)
        if "AvailabilityZone" in members:
            _require(members, "AvailabilityZone", ZONE)
        metadata = self._instance.metadata
        zone = members.get("AvailabilityZone", metadata.zone)
        if members["InstanceId"] != metadata.instance_id or zone != metadata.zone:
            raise ServiceError("EC2InstanceNotFoundException", f"there is no {members['InstanceId']} in {zone}")


def _require(members: Dict[str, str], name: str, pattern: Optional[re.Pattern[str]]) -> None:
    if name not in members:
        raise ServiceError("InvalidArgsException", f"{name} is missing")
    if pattern is not None and not pattern.fullmatch(members[name]):
        raise ServiceError("InvalidArgsException", f"{name} is invalid ({members[name][:_SHOWN]!r})")


def _acceptable_key(text: str) -> str:
    if len(text) not in _KEY_LENGTHS:
        raise ServiceError("InvalidArgsException", f"SSHPublicKey has {len(text)} characters, not 80 to 4096")
    try:
        return authorized_keys_line(text)
    except UnacceptableKey as problem:
        raise ServiceError("InvalidArgsException", f"SSHPublicKey: {problem}") from None
