# SPDX-License-Identifier: Apache-2.0
"""EC2 Instance Connect's API: SendSSHPublicKey and SendSerialConsoleSSHPublicKey.

Member names, patterns, lengths and error names are from the service model that botocore ships
(ec2-instance-connect, version 2018-04-02); condition keys from the Service Authorization Reference.
"""

from __future__ import annotations

import re
from typing import Dict, Mapping, Optional

from ..cloud.endpoint import tag_keys
from ..cloud.instance import Instance
from ..cloud.machine import State
from ..iam.document import Json
from . import json_protocol
from .call import Call, Operation
from .errors import ServiceError
from .ssh_public_key import UnacceptableKey, authorized_keys_line

NAME = "ec2-instance-connect"
TARGET = "AWSEC2InstanceConnectService"

# The service model's patterns; `$` there is the end of the string, and never before a last newline.
INSTANCE_ID = re.compile(r"i-[a-f0-9]{8,30}")
ZONE = re.compile(r"(?=.{6,32}$)(\w+-){2,3}\d+\w+", re.ASCII)
OS_USER = re.compile(
    r"(?=.{1,32}$)(?:"
    r"[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?"
    r"|(?=.{2,32}$)[0-9]{1,32}[A-Za-z@._-][A-Za-z0-9@._-]*[A-Za-z0-9$_-]?"
    r")"
)
_XEN = re.compile(
    r"(?:[cmt]1|m2|cc2|cr1|hi1|hs1|t2|[cmr]3|[cmr]4|[dgi]2|i3|g3s?|p[23]|f1|h1|x1e?)\.(?!metal)"
)  # the types before Nitro
_KEY_LENGTHS = range(80, 4097)  # characters
_SHOWN = 64  # characters of a value that a message repeats

_FAULTS = {
    "api-auth": ("AuthException", "The caller may not connect to this instance.", 400),
    "api-throttling": ("ThrottlingException", "Too many requests.", 400),
    "api-service": ("ServiceException", "The service encountered an error.", 500),
    "api-instance-stopped": ("EC2InstanceStateInvalidException", "The instance is not running.", 400),
    "api-instance-unavailable": ("EC2InstanceUnavailableException", "The instance is unavailable.", 400),
}


def _send_ssh_public_key(call: Call, found: Mapping[str, Json]) -> Mapping[str, Json]:
    members = json_protocol.strings(found)
    _require(members, "InstanceId", INSTANCE_ID)
    _require(members, "InstanceOSUser", OS_USER)
    _require(members, "SSHPublicKey", None)
    if "AvailabilityZone" in members:
        _require(members, "AvailabilityZone", ZONE)
    line = _acceptable_key(members["SSHPublicKey"])
    instance_id, user = members["InstanceId"], members["InstanceOSUser"]
    instance = call.region.instances.get(instance_id)
    keys = {"ec2:osuser": user, **(tag_keys(instance.machine.tags) if instance else {})}
    call.require(f"{NAME}:SendSSHPublicKey", call.region.arn(f"instance/{instance_id}"), keys)
    zone = members.get("AvailabilityZone", instance.metadata.zone if instance else "")
    if instance is None or zone != instance.metadata.zone:
        raise _not_found(instance_id, zone)
    _apply_fault(instance)
    _require_running(instance)
    instance.push(user, line, call.principal.arn, call.request_id)
    return _success(call)


def _send_serial_console_ssh_public_key(call: Call, found: Mapping[str, Json]) -> Mapping[str, Json]:
    """Checks and authorises the request; there is no serial console behind it."""
    port = found.get("SerialPort", 0)
    if isinstance(port, bool) or not isinstance(port, int) or port != 0:
        raise ServiceError("InvalidArgsException", "SerialPort is not 0")
    members = json_protocol.strings({name: value for name, value in found.items() if name != "SerialPort"})
    _require(members, "InstanceId", INSTANCE_ID)
    _require(members, "SSHPublicKey", None)
    _acceptable_key(members["SSHPublicKey"])
    instance_id = members["InstanceId"]
    instance = call.region.instances.get(instance_id)
    keys = tag_keys(instance.machine.tags) if instance else {}
    call.require(f"{NAME}:SendSerialConsoleSSHPublicKey", call.region.arn(f"instance/{instance_id}"), keys)
    if not call.region.serial_console:
        raise ServiceError(
            "SerialConsoleAccessDisabledException",
            "Your account is not authorized to use the EC2 Serial Console. To authorize your account, run the "
            "EnableSerialConsoleAccess API.",
        )
    if instance is None:
        raise _not_found(instance_id)
    _apply_fault(instance)
    _require_running(instance)
    if not _is_nitro(instance.machine.instance_type):
        raise ServiceError(
            "EC2InstanceTypeInvalidException",
            f"The instance type {instance.machine.instance_type} is not supported for connecting via the serial port",
        )
    raise ServiceError(
        "SerialConsoleSessionUnsupportedException", "The sandbox has no serial console behind its instances"
    )


OPERATIONS = {
    "SendSSHPublicKey": Operation(
        _send_ssh_public_key,
        read_only=False,
        members=("InstanceId", "InstanceOSUser", "SSHPublicKey", "AvailabilityZone"),
    ),
    "SendSerialConsoleSSHPublicKey": Operation(
        _send_serial_console_ssh_public_key, read_only=False, members=("InstanceId", "SerialPort", "SSHPublicKey")
    ),
}


def _success(call: Call) -> Mapping[str, Json]:
    call.trail_response = {"requestId": call.request_id, "success": True}
    return {"RequestId": call.request_id, "Success": True}


def _apply_fault(instance: Instance) -> None:
    fault = instance.faults.take_api()
    if fault is not None:
        raise ServiceError(*_FAULTS[fault])


def _require_running(instance: Instance) -> None:
    if instance.machine.state is not State.RUNNING:
        raise ServiceError(
            "EC2InstanceStateInvalidException",
            f"The instance {instance.metadata.instance_id} is not running: it is {instance.machine.state.value}",
        )


def _not_found(instance_id: str, zone: str = "") -> ServiceError:
    where = f" in {zone}" if zone else ""
    return ServiceError("EC2InstanceNotFoundException", f"There is no instance {instance_id}{where}")


def _is_nitro(instance_type: str) -> bool:
    """Whether the type has a serial console (EC2 User Guide, "Instances built on the Nitro System")."""
    return _XEN.match(instance_type) is None


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
