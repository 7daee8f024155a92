# SPDX-License-Identifier: Apache-2.0
"""Whether a principal may do something: its policies, and the condition keys of the request."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Dict, Mapping, Tuple, Union

from ..iam import arn
from ..iam.evaluate import Verdict, evaluate, refusal
from ..iam.patterns import ascii_lower
from ..iam.request import Request, context
from .principals import Principal, Session

KeyValue = Union[str, Tuple[str, ...]]
"""The value of a condition key, or its values."""

Keys = Mapping[str, KeyValue]


class AccessDenied(Exception):
    """The policies do not allow a request; the message is in IAM's wording."""


@dataclass(frozen=True)
class Origin:
    """The place and time of a call. `now` is in seconds since the epoch."""

    now: float
    address: str
    secure: bool
    region: str
    user_agent: str = ""


def utc(seconds: float) -> str:
    """The time as AWS writes it: 2026-01-31T12:00:00Z."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def principal_keys(principal: Principal) -> Dict[str, KeyValue]:
    """The condition keys of the caller (IAM User Guide, "AWS global condition context keys")."""
    keys: Dict[str, KeyValue] = {
        "aws:PrincipalArn": principal.principal_arn,
        "aws:PrincipalAccount": principal.account.id,
        "aws:PrincipalType": "User" if principal.kind == "IAMUser" else principal.kind,
        "aws:userid": principal.unique_id,
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
    }
    if isinstance(principal, Session):
        keys["aws:TokenIssueTime"] = utc(principal.issued)
        keys["aws:MultiFactorAuthPresent"] = "false"  # an access key of a user does not have it at all
    else:
        keys["aws:username"] = principal.name
    for key, value in principal.tags.items():
        keys[f"aws:PrincipalTag/{key}"] = value
    return keys


def origin_keys(origin: Origin) -> Dict[str, KeyValue]:
    """The condition keys of the place and time of a call."""
    keys: Dict[str, KeyValue] = {
        "aws:SourceIp": origin.address,
        "aws:SecureTransport": "true" if origin.secure else "false",
        "aws:CurrentTime": utc(origin.now),
        "aws:EpochTime": str(int(origin.now)),
        "aws:RequestedRegion": origin.region,
        "ec2:Region": origin.region,
    }
    if origin.user_agent:
        keys["aws:UserAgent"] = origin.user_agent
    return keys


def request(principal: Principal, origin: Origin, action: str, resource: str, keys: Keys) -> Request:
    """The request that the policies judge; `keys` are those of the action and its resource.

    aws:ResourceAccount is that of the resource's ARN; an action that has none is about the caller's account.
    """
    account = principal.account.id if resource == "*" else arn.account(resource)
    always = {**origin_keys(origin), **principal_keys(principal)}
    if account:
        always["aws:ResourceAccount"] = account
    return Request(action, resource, context(replaced(always, keys)))


def replaced(keys: Keys, by: Keys) -> Dict[str, KeyValue]:
    """The condition keys, with those of `by` in place of the ones with the same names; case does not count."""
    given = {ascii_lower(key) for key in by}
    return {**{key: value for key, value in keys.items() if ascii_lower(key) not in given}, **by}


def decide(principal: Principal, judged: Request) -> Verdict:
    """The verdict of each set of the principal's policies: a deny of any, else the first that does not allow."""
    verdicts = [evaluate(policies, judged) for policies in principal.policy_sets]
    denied = next((verdict for verdict in verdicts if verdict.explicit_deny), None)
    return denied or next((verdict for verdict in verdicts if not verdict.allowed), verdicts[0])


def require(principal: Principal, judged: Request) -> None:
    """Raises AccessDenied unless the principal's policies allow the request."""
    verdict = decide(principal, judged)
    if not verdict.allowed:
        raise AccessDenied(refusal(principal.arn, judged, verdict))
