# SPDX-License-Identifier: Apache-2.0
"""The sandbox's EC2 Instance Connect API: SendSSHPublicKey, as the AWS SDKs and the AWS CLI speak it.

AWS JSON 1.1: POST / with `X-Amz-Target: AWSEC2InstanceConnectService.SendSSHPublicKey`; shapes, patterns and error
names from the service's API reference (version 2018-04-02). Key types, lengths and formats from the EC2 User Guide,
"Connect using EC2 Instance Connect": RSA of 2048 and of 4096 bits, in OpenSSH's format or in SSH2's (RFC 4716), and
Ed25519. Any credentials are accepted, but there must be some.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any, Dict, Optional

from aiohttp import web

from eic_sshd.decide.checks import USER_NAME
from eic_sshd.model import public_key

from ..cloud.instance import Instance
from . import rfc4716

_TARGET = "AWSEC2InstanceConnectService.SendSSHPublicKey"
_ACCOUNT = "123456789012"
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[!-.0-~]{1,128})/[0-9]{8}/[a-z0-9-]+/ec2-instance-connect/aws4_request,"
)
_INSTANCE_ID = re.compile(r"i-[a-f0-9]{8,30}")
_ZONE = re.compile(r"(?=.{6,32}$)(\w+-){2,3}\d+\w+", re.ASCII)
_RSA_BITS = (2048, 4096)
_KEY_TYPES = frozenset({public_key.RSA, public_key.ED25519})

_FAULTS = {
    "api-auth": ("AuthException", "The caller may not connect to this instance.", 400),
    "api-throttling": ("ThrottlingException", "Too many requests.", 400),
    "api-service": ("ServiceException", "The service met an error.", 500),
    "api-instance-stopped": ("EC2InstanceStateInvalidException", "The instance is not running.", 400),
    "api-instance-unavailable": ("EC2InstanceUnavailableException", "The instance is unavailable.", 400),
}


class ApiError(Exception):
    """An error of the service: its name, its message, its HTTP status."""

    def __init__(self, name: str, message: str, status: int = 400) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
        self.status = status


class Api:
    """Takes keys for `instance`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.Response:
        request_id = str(uuid.uuid4())
        try:
            body = self._send(request, await request.read())
            status = 200
            request_id = str(body["RequestId"])
        except ApiError as error:
            body, status = {"__type": error.name, "Message": error.message}, error.status
        return web.Response(
            status=status,
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": request_id},
        )

    def _send(self, request: web.Request, raw: bytes) -> Dict[str, Any]:
        caller = _caller(request.headers.get("Authorization", ""))
        target = request.headers.get("X-Amz-Target", "")
        if target != _TARGET:
            raise ApiError("UnknownOperationException", f"the sandbox has no {target or 'operation without a target'}")
        fault = self._instance.faults.take_api()
        if fault is not None:
            raise ApiError(*_FAULTS[fault])
        arguments = _arguments(raw)
        self._require_instance(arguments)
        line = _checked_key(arguments["SSHPublicKey"])
        request_id = self._instance.push(arguments["InstanceOSUser"], line, caller)
        return {"RequestId": request_id, "Success": True}

    def _require_instance(self, arguments: Dict[str, str]) -> None:
        facts = self._instance.facts
        zone = arguments.get("AvailabilityZone", facts.zone)
        if arguments["InstanceId"] != facts.instance_id or zone != facts.zone:
            raise ApiError("EC2InstanceNotFoundException", f"there is no {arguments['InstanceId']} in {zone}")


def _caller(authorization: str) -> str:
    """The ARN that will stand in the block as Caller."""
    credential = _CREDENTIAL.match(authorization)
    if credential is None:
        raise ApiError("AuthException", "the request is not signed for ec2-instance-connect (AWS Signature Version 4)")
    return f"arn:aws:sts::{_ACCOUNT}:assumed-role/Sandbox/{credential.group('key')}"


def _arguments(raw: bytes) -> Dict[str, str]:
    try:
        arguments = json.loads(raw)
    except ValueError:
        raise ApiError("SerializationException", "the request's body is not JSON") from None
    if not isinstance(arguments, dict) or not all(isinstance(value, str) for value in arguments.values()):
        raise ApiError("SerializationException", "the request's body is not an object of strings")
    _require(arguments, "InstanceId", _INSTANCE_ID)
    _require(arguments, "InstanceOSUser", USER_NAME)
    _require(arguments, "SSHPublicKey", None)
    if "AvailabilityZone" in arguments:
        _require(arguments, "AvailabilityZone", _ZONE)
    return arguments


def _require(arguments: Dict[str, str], name: str, shape: Optional[re.Pattern[str]]) -> None:
    if name not in arguments:
        raise ApiError("InvalidArgsException", f"{name} is missing")
    if shape is not None and not shape.fullmatch(arguments[name]):
        raise ApiError(
            "InvalidArgsException", f"{name} {arguments[name][:64]!r} does not have the form that it must have"
        )


def _checked_key(text: str) -> str:
    """The key as a line of OpenSSH's format, which is what a block has."""
    if not 80 <= len(text) <= 4096:
        raise ApiError("InvalidArgsException", f"SSHPublicKey has {len(text)} characters, not 80 to 4096")
    try:
        ssh2 = rfc4716.is_one(text.strip())
        line = rfc4716.to_openssh(text) if ssh2 else text.strip()
        if not line.isprintable():
            raise ApiError("InvalidArgsException", "SSHPublicKey is neither one line nor a key in SSH2's format")
        key = public_key.parse(line.encode())
        public_key.KeyPolicy(types=_KEY_TYPES).verify(key)
    except (rfc4716.Malformed, public_key.MalformedKey, public_key.ForbiddenType, public_key.TooShort) as problem:
        raise ApiError("InvalidArgsException", f"SSHPublicKey: {problem}") from None
    if ssh2 and key.key_type != public_key.RSA:
        raise ApiError("InvalidArgsException", f"SSHPublicKey: {key.key_type} keys are not taken in SSH2's format")
    if key.key_type == public_key.RSA and key.bits not in _RSA_BITS:
        raise ApiError("InvalidArgsException", f"SSHPublicKey: RSA keys have 2048 or 4096 bits, not {key.bits}")
    return line
