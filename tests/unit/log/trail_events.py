# SPDX-License-Identifier: Apache-2.0
"""CloudTrail's events."""

from __future__ import annotations

from typing import Dict

from eic_sshd.model import public_key
from testbed import keys

from .journal import CALLER

LINE = keys.ed25519_line()
FINGERPRINT = public_key.parse(LINE.encode()).fingerprint
INSTANCE = "i-0123456789abcdef0"
Event = Dict[str, object]


def event(request_id: str = "r-1", time: str = "2023-11-14T22:13:00Z", **changed: object) -> Event:
    """An event of SendSSHPublicKey; its time is 20 s before BEGIN."""
    return {
        "eventVersion": "1.08",
        "eventTime": time,
        "eventSource": "ec2-instance-connect.amazonaws.com",
        "eventName": "SendSSHPublicKey",
        "sourceIPAddress": "198.51.100.4",
        "userAgent": "aws-cli/2.0",
        "userIdentity": {"type": "AssumedRole", "arn": CALLER},
        "requestParameters": {"instanceId": INSTANCE, "instanceOSUser": "ec2-user", "sSHPublicKey": LINE},
        "responseElements": {"requestId": request_id, "success": True},
        "requestID": request_id,
        **changed,
    }


def other_event(time: str) -> Event:
    """An event of another service."""
    return {"eventTime": time, "eventSource": "ec2.amazonaws.com", "eventName": "RunInstances"}


EARLY, LATE = other_event("2023-11-14T20:00:00Z"), other_event("2023-11-14T23:00:00Z")
