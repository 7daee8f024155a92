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
_MAX_SHORTEST = 4096  # characters of those that are kept if they are more


@dataclass(frozen=True)
class Tls:
    """The TLS connection of a call: CloudTrail's tlsDetails."""

    version: str
    cipher_suite: str
    host: str


@dataclass(frozen=True)
class Attempt:
    """A call, or the handshake of a tunnel. `at` is in seconds since the epoch; `caller` is None if it is unknown."""

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
    parameters: Optional[Mapping[str, Json]] = None


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: `error_code` is empty if it succeeded."""

    response: Optional[Mapping[str, Json]] = None
    error_code: str = ""
    error_message: str = ""
    resources: Optional[List[Mapping[str, Json]]] = None


def event(attempt: Attempt, outcome: Outcome) -> Event:
    """The event, with the fields in the order of the user guide."""
    made: Event = {
        "eventVersion": "1.08",
        "userIdentity": _identity(attempt),
        "eventTime": utc(attempt.at),
        "eventSource": attempt.source,
        "eventName": attempt.name,
        "awsRegion": attempt.region,
        "sourceIPAddress": attempt.address,
        "userAgent": attempt.user_agent[:1024],
    }
    if outcome.error_code:
        made["errorCode"] = outcome.error_code
        made["errorMessage"] = outcome.error_message[:_MAX_TEXT]
    made["requestParameters"] = _bounded(attempt.parameters)
    made["responseElements"] = _bounded(outcome.response)
    made["requestID"] = attempt.request_id
    made["eventID"] = str(uuid.uuid4())
    made["readOnly"] = attempt.read_only
    if outcome.resources:
        made["resources"] = [dict(one) for one in outcome.resources]
    made["eventType"] = "AwsApiCall"
    made["managementEvent"] = True
    made["recipientAccountId"] = attempt.account
    made["eventCategory"] = "Management"
    if attempt.tls is not None:
        made["tlsDetails"] = {
            "tlsVersion": attempt.tls.version,
            "cipherSuite": attempt.tls.cipher_suite,
            "clientProvidedHostHeader": attempt.tls.host[:255],
        }
    return made


def _identity(attempt: Attempt) -> Json:
    if attempt.caller is None:
        return {"type": "Unknown", "principalId": "", "accountId": "", "accessKeyId": attempt.access_key_id[:128]}
    principal = attempt.caller.principal
    identity: Dict[str, Json] = {
        "type": principal.kind,
        "principalId": principal.unique_id,
        "arn": principal.arn,
        "accountId": principal.account.id,
        "accessKeyId": attempt.caller.access_key_id,
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
    kept: Dict[str, Json] = {
        name[:128]: value[:_MAX_TEXT] if isinstance(value, str) else value for name, value in found.items()
    }
    size = len(json.dumps(kept))
    if size <= _MAX_PARAMETERS:
        return kept
    return {**_shortest(kept), "omitted": True, "originalSize": size, "reason": "too large"}


def _shortest(found: Dict[str, Json]) -> Dict[str, Json]:
    """The shortest ones: the ids and names of resources. What makes the others too large is of the caller's choice."""
    kept: Dict[str, Json] = {}
    size = 0
    for name, value in sorted(found.items(), key=lambda one: len(json.dumps(one))):
        size += len(json.dumps({name: value}))
        if size > _MAX_SHORTEST:
            break
        kept[name] = value
    return kept
