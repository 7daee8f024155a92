# SPDX-License-Identifier: Apache-2.0
"""An event of CloudTrail.

Source: AWS CloudTrail User Guide, "CloudTrail record contents" and "CloudTrail userIdentity element"; EC2 User Guide,
"Log EC2 Instance Connect API calls", and the same for EC2 Instance Connect Endpoint.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional

from ..cloud.access import utc
from ..cloud.principals import Credentials, Session
from ..iam.document import Json

Event = Dict[str, Json]
_MAX_TEXT = 8192  # characters of one value
_MAX_PARAMETERS = 32 * 1024  # characters of JSON, of requestParameters and of responseElements each


@dataclass(frozen=True)
class Tls:
    """The TLS connection of a call: CloudTrail's tlsDetails."""

    version: str
    cipher_suite: str
    host: str


@dataclass(frozen=True)
class Asked:
    """A call or a tunnel as it was asked for. `at` is in seconds since the epoch; `caller` is None if it is unknown."""

    at: float
    source: str
    name: str
    region: str
    address: str
    user_agent: str
    request_id: str
    caller: Optional[Credentials]
    account: str
    access_key_id: str = ""
    read_only: bool = False
    tls: Optional[Tls] = None


@dataclass(frozen=True)
class Answered:
    """What came of it: `error_code` is empty if it succeeded."""

    parameters: Optional[Mapping[str, Json]] = None
    response: Optional[Mapping[str, Json]] = None
    error_code: str = ""
    error_message: str = ""
    resources: Optional[List[Mapping[str, Json]]] = None


def event(asked: Asked, answered: Answered) -> Event:
    """The event, with the fields in the order of the user guide."""
    made: Event = {
        "eventVersion": "1.08",
        "userIdentity": _identity(asked),
        "eventTime": utc(asked.at),
        "eventSource": asked.source,
        "eventName": asked.name,
        "awsRegion": asked.region,
        "sourceIPAddress": asked.address,
        "userAgent": asked.user_agent[:1024],
    }
    if answered.error_code:
        made["errorCode"] = answered.error_code
        made["errorMessage"] = answered.error_message[:_MAX_TEXT]
    made["requestParameters"] = _bounded(answered.parameters)
    made["responseElements"] = _bounded(answered.response)
    made["requestID"] = asked.request_id
    made["eventID"] = str(uuid.uuid4())
    made["readOnly"] = asked.read_only
    if answered.resources:
        made["resources"] = [dict(one) for one in answered.resources]
    made["eventType"] = "AwsApiCall"
    made["managementEvent"] = True
    made["recipientAccountId"] = asked.account
    made["eventCategory"] = "Management"
    if asked.tls is not None:
        made["tlsDetails"] = {
            "tlsVersion": asked.tls.version,
            "cipherSuite": asked.tls.cipher_suite,
            "clientProvidedHostHeader": asked.tls.host[:255],
        }
    return made


def _identity(asked: Asked) -> Json:
    if asked.caller is None:
        return {"type": "Unknown", "principalId": "", "accountId": "", "accessKeyId": asked.access_key_id[:128]}
    principal = asked.caller.principal
    identity: Dict[str, Json] = {
        "type": principal.kind,
        "principalId": principal.unique_id,
        "arn": principal.arn,
        "accountId": principal.account.id,
        "accessKeyId": asked.caller.access_key_id,
    }
    if not isinstance(principal, Session):
        identity["userName"] = principal.name
        return identity
    identity["sessionContext"] = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": principal.role.unique_id,
            "arn": principal.role.arn,
            "accountId": principal.account.id,
            "userName": principal.role.name,
        },
        "attributes": {"creationDate": utc(principal.issued), "mfaAuthenticated": "false"},
    }
    return identity


def _bounded(found: Optional[Mapping[str, Json]]) -> Json:
    if found is None:
        return None
    kept: Json = {name[:128]: value[:_MAX_TEXT] if isinstance(value, str) else value for name, value in found.items()}
    size = len(json.dumps(kept))
    return kept if size <= _MAX_PARAMETERS else {"omitted": True, "originalSize": size, "reason": "too large"}
