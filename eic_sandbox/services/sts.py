# SPDX-License-Identifier: Apache-2.0
"""STS's API: GetCallerIdentity and AssumeRole.

Names, patterns and limits are from the AWS STS API Reference; who may assume a role from the IAM User Guide, "Policy
evaluation logic" and "How to specify a principal".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Optional

from ..cloud import access
from ..cloud.principals import Principal, Role, Session
from ..iam.document import decode
from ..iam.evaluate import evaluate, evaluate_trust
from ..iam.patterns import ascii_lower
from ..iam.policy import Policy, PolicyError, parse
from ..iam.request import Principal as RequestPrincipal
from .call import Call
from .errors import ServiceError
from .query_protocol import Members, Query

_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_ARN = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):role/[\x21-\x7e]{1,576}")
_MIN_DURATION, _MAX_DURATION = 900, 43200  # seconds
_CHAINED_DURATION = 3600  # seconds: the most for a role that a role's session assumes
_MAX_POLICY = 2048  # characters of a session policy
_SESSION_POLICY = "session policy"
_MAX_TAGS = 50
_TAG_KEY = re.compile(r"[\w \t:/=+.@-]{1,128}")
_TAG_VALUE = re.compile(r"[\w \t:/=+.@-]{0,256}")


def get_caller_identity(call: Call, _: Query) -> Members:
    """Who calls; it needs no permission."""
    principal = call.principal
    return {"Arn": principal.arn, "UserId": principal.unique_id, "Account": principal.account.id}


@dataclass(frozen=True)
class _SessionRequest:
    """The parameters of AssumeRole; `duration` is in seconds."""

    role_arn: str
    name: str
    duration: int
    tags: Dict[str, str]
    policy: Optional[Policy]
    external_id: str

    def keys(self) -> access.Keys:
        """Their condition keys."""
        keys: Dict[str, access.KeyValue] = {f"aws:RequestTag/{key}": value for key, value in self.tags.items()}
        keys["sts:RoleSessionName"] = self.name
        if self.external_id:
            keys["sts:ExternalId"] = self.external_id
        if self.tags:
            keys["aws:TagKeys"] = tuple(self.tags)
        return keys


def assume_role(call: Call, query: Query) -> Members:
    """Credentials for a new session of a role."""
    requested = _session_request(query)
    role = _require_assumable(call, requested)
    most = min(role.max_duration, _CHAINED_DURATION if isinstance(call.principal, Session) else _MAX_DURATION)
    if requested.duration > most:
        raise ServiceError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role, or 1 hour where a "
            "role's session assumes a role",
        )
    now = call.origin.now
    session = Session(
        role, requested.name, now, now + requested.duration, tuple(requested.tags.items()), requested.policy
    )
    made = call.cloud.directory.begin_session(session)
    expiration = access.utc(session.expires)
    call.trail_response = {
        "credentials": {"accessKeyId": made.access_key_id, "expiration": expiration},
        "assumedRoleUser": {"assumedRoleId": session.unique_id, "arn": session.arn},
    }
    return {
        "Credentials": {
            "AccessKeyId": made.access_key_id,
            "SecretAccessKey": made.secret,
            "SessionToken": made.token,
            "Expiration": expiration,
        },
        "AssumedRoleUser": {"AssumedRoleId": session.unique_id, "Arn": session.arn},
    }


def _session_request(query: Query) -> _SessionRequest:
    try:
        arn, name = query.text("RoleArn"), query.text("RoleSessionName")
        duration = query.number("DurationSeconds", range(_MIN_DURATION, _MAX_DURATION + 1), 3600)
        tags = _tags(query)
    except ServiceError as problem:  # STS has one name for all of these
        raise ServiceError("ValidationError", problem.message) from None
    if not _ARN.fullmatch(arn):
        raise ServiceError("ValidationError", f"{arn[:64]} is invalid")
    if not _SESSION_NAME.fullmatch(name):
        raise ServiceError(
            "ValidationError", "RoleSessionName is not 2 to 64 letters, digits and characters of _+=,.@-"
        )
    policy = _session_policy(query.text("Policy", ""))
    external_id = query.text("ExternalId", "")
    if external_id and not _EXTERNAL_ID.fullmatch(external_id):
        raise ServiceError("ValidationError", "ExternalId is invalid")
    query.require_known()
    return _SessionRequest(arn, name, duration, tags, policy, external_id)


def _tags(query: Query) -> Dict[str, str]:
    """The session tags. Keys that differ in case only are the same key (IAM User Guide, "Pass session tags")."""
    tags: Dict[str, str] = {}
    for prefix in query.structures("Tags.member"):
        key, value = query.text(f"{prefix}.Key"), query.text(f"{prefix}.Value")
        if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value) or key.lower().startswith("aws:"):
            raise ServiceError("ValidationError", f"The tag '{key[:64]}' is invalid")
        if ascii_lower(key) in map(ascii_lower, tags):
            raise ServiceError("ValidationError", f"The tag key '{key[:64]}' is given twice")
        tags[key] = value
    if len(tags) > _MAX_TAGS:
        raise ServiceError("ValidationError", f"A session has at most {_MAX_TAGS} tags")
    return tags


def _session_policy(text: str) -> Optional[Policy]:
    if not text:
        return None
    if len(text) > _MAX_POLICY:
        raise ServiceError("PackedPolicyTooLarge", f"The session policy is longer than {_MAX_POLICY} characters")
    try:
        return parse(decode(text, _SESSION_POLICY), _SESSION_POLICY)
    except PolicyError as error:
        raise ServiceError("MalformedPolicyDocument", str(error)) from None


def _require_assumable(call: Call, requested: _SessionRequest) -> Role:
    """The role, if the caller may assume it; a role that does not exist is refused as one that may not be assumed."""
    principal, arn = call.principal, requested.role_arn
    role = call.cloud.directory.role(arn)
    actions = ["sts:AssumeRole", *(["sts:TagSession"] if requested.tags else [])]
    if role is not None and all(_may(call, principal, role, action, requested.keys()) for action in actions):
        return role
    raise access.AccessDenied(
        f"User: {principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn[:640]}"
    )


def _may(call: Call, principal: Principal, role: Role, action: str, keys: access.Keys) -> bool:
    """The role's trust policy must allow it. So must the caller's policies, unless it names a caller of its account.

    The policy of a caller's session must always allow it (IAM User Guide, "Session policies").
    """
    role_arn = principal.role.arn if isinstance(principal, Session) else None
    judged = access.request(principal, call.origin, action, role.arn, {**keys, **_role_tags(role)})
    trusted = evaluate_trust(role.trust, RequestPrincipal(principal.arn, principal.account.id, role_arn), judged)
    own = access.decide(principal, judged)
    if not trusted.allowed or trusted.explicit_deny or own.explicit_deny:
        return False
    by_name = not trusted.needs_identity_policy and principal.account.id == role.account.id
    _, *of_session = principal.policy_sets
    return own.allowed or (by_name and all(evaluate(policies, judged).allowed for policies in of_session))


def _role_tags(role: Role) -> Dict[str, str]:
    return {f"{prefix}:ResourceTag/{key}": value for key, value in role.tags.items() for prefix in ("aws", "iam")}
