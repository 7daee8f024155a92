# SPDX-License-Identifier: Apache-2.0
"""Whether a principal may do something."""

from __future__ import annotations

from typing import Callable, Dict, Optional

import pytest

from eic_sandbox.cloud import access
from eic_sandbox.cloud.principals import Account, Principal, Role, Session, User
from eic_sandbox.iam.policy import Policy, parse, parse_trust
from eic_sandbox.iam.request import Request

ACCOUNT = Account("123456789012")
ACTION, RESOURCE = "ec2:DescribeInstances", "*"
ORIGIN = access.Origin(1_800_000_000.9, "192.0.2.1", True, "us-west-2", "aws-cli/2")
TRUST = parse_trust({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}, "trust")


def policy(name: str, effect: str = "Allow", condition: Optional[Dict[str, object]] = None) -> Policy:
    statement: Dict[str, object] = {"Sid": name, "Effect": effect, "Action": "ec2:*", "Resource": "*"}
    if condition is not None:
        statement["Condition"] = condition
    return parse({"Version": "2012-10-17", "Statement": statement}, name)


def user(*policies: Policy, tags: Optional[Dict[str, str]] = None) -> User:
    return User(ACCOUNT, "alice", "AIDA1", "/staff/", tags or {}, {one.name: one for one in policies})


def session(*policies: Policy, own: Optional[Policy] = None) -> Session:
    role = Role(ACCOUNT, "Operators", "AROA1", TRUST, "/ops/", tags={"team": "red", "cost": "1"})
    role.policies.update({one.name: one for one in policies})
    return Session(role, "carol", 1_700_000_000.9, 1_900_000_000.0, (("team", "blue"),), own)


def asked(principal: Principal, keys: Optional[access.Keys] = None) -> Request:
    return access.request(principal, ORIGIN, ACTION, RESOURCE, keys or {})


def test_the_condition_keys_of_a_user() -> None:
    context = dict(asked(user(tags={"team": "blue"}), {"ec2:osuser": "root"}).context)
    assert context == {
        "aws:sourceip": ("192.0.2.1",),
        "aws:securetransport": ("true",),
        "aws:currenttime": ("2027-01-15T08:00:00Z",),
        "aws:epochtime": ("1800000000",),
        "aws:requestedregion": ("us-west-2",),
        "ec2:region": ("us-west-2",),
        "aws:useragent": ("aws-cli/2",),
        "aws:principalarn": ("arn:aws:iam::123456789012:user/staff/alice",),
        "aws:principalaccount": ("123456789012",),
        "aws:principaltype": ("User",),
        "aws:userid": ("AIDA1",),
        "aws:username": ("alice",),
        "aws:principalisawsservice": ("false",),
        "aws:viaawsservice": ("false",),
        "aws:resourceaccount": ("123456789012",),
        "aws:principaltag/team": ("blue",),
        "ec2:osuser": ("root",),
    }


def test_the_condition_keys_of_a_session_have_the_role_its_tags_and_no_user_name() -> None:
    keys = access.principal_keys(session())
    assert keys == {
        "aws:PrincipalArn": "arn:aws:iam::123456789012:role/ops/Operators",
        "aws:PrincipalAccount": "123456789012",
        "aws:PrincipalType": "AssumedRole",
        "aws:userid": "AROA1:carol",
        "aws:TokenIssueTime": "2023-11-14T22:13:20Z",
        "aws:MultiFactorAuthPresent": "false",
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:PrincipalTag/team": "blue",
        "aws:PrincipalTag/cost": "1",
    }


def test_a_call_without_a_user_agent_and_without_tls_has_neither() -> None:
    keys = access.origin_keys(access.Origin(0.0, "::1", False, "us-west-2"))
    assert "aws:UserAgent" not in keys
    assert keys["aws:SecureTransport"] == "false"


ALLOW, DENY = policy("Yes"), policy("No", "Deny")


@pytest.mark.parametrize(
    ("principal", "allowed", "explicit_deny", "statement"),
    [
        (user(), False, False, None),
        (user(ALLOW), True, False, "Yes"),
        (user(ALLOW, DENY), False, True, "No"),
        (user(DENY, ALLOW), False, True, "No"),
        (user(policy("Other", condition={"StringEquals": {"aws:username": "bob"}})), False, False, None),
        (session(), False, False, None),
        (session(ALLOW), True, False, "Yes"),
        (session(ALLOW, own=policy("Own")), True, False, "Yes"),
        (session(own=policy("Own")), False, False, None),
        (session(ALLOW, own=DENY), False, True, "No"),
        (session(DENY, own=ALLOW), False, True, "No"),
        (session(ALLOW, own=policy("Own", condition={"Bool": {"aws:SecureTransport": "false"}})), False, False, None),
        (session(own=DENY), False, True, "No"),
    ],
)
def test_every_set_of_policies_must_allow_and_none_deny(
    principal: Principal, allowed: bool, explicit_deny: bool, statement: Optional[str]
) -> None:
    verdict = access.decide(principal, asked(principal))
    assert (verdict.allowed, verdict.explicit_deny, verdict.statement) == (allowed, explicit_deny, statement)


def test_a_refusal_has_the_words_of_iam() -> None:
    who = "User: arn:aws:sts::123456789012:assumed-role/Operators/carol is not authorized to perform: "
    access.require(session(ALLOW), asked(session(ALLOW)))
    for principal, reason in (
        (session(), f"because no identity-based policy allows the {ACTION} action"),
        (session(DENY), "with an explicit deny in an identity-based policy"),
    ):
        with pytest.raises(access.AccessDenied) as caught:
            access.require(principal, asked(principal))
        assert str(caught.value) == f"{who}{ACTION} {reason}"


def test_tags_of_a_resource_cannot_stand_for_keys_of_the_principal() -> None:
    hostile = {"aws:ResourceTag//../aws:username": "bob", "aws:ResourceTag/x": "y"}
    only_bob = user(policy("Bob", condition={"StringEquals": {"aws:username": "bob"}}))
    assert not access.decide(only_bob, asked(only_bob, hostile)).allowed


OUTSIDE = {"NotIpAddress": {"aws:SourceIp": "198.51.100.0/24"}}
NO_MFA = {"aws:MultiFactorAuthPresent": "false"}


@pytest.mark.parametrize(
    ("principal", "condition", "denied"),
    [
        (user, {**OUTSIDE, "Bool": {"aws:ViaAWSService": "false"}}, True),  # from the IAM User Guide's examples
        (user, {"Bool": {"aws:PrincipalIsAWSService": "false"}}, True),
        (user, {"Bool": NO_MFA}, False),
        (user, {"BoolIfExists": NO_MFA}, True),
        (session, {"Bool": NO_MFA}, True),
        (session, {"Null": {"aws:MultiFactorAuthAge": "true"}}, True),
        (user, {"StringNotEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}, False),
        (session, {"StringNotEquals": {"aws:ResourceAccount": "210987654321"}}, True),
    ],
)
def test_a_deny_by_what_every_request_of_aws_has(
    principal: Callable[..., Principal], condition: Dict[str, object], denied: bool
) -> None:
    judged = asked(principal(policy("all"), policy("deny", "Deny", condition)))
    assert access.decide(principal(policy("all"), policy("deny", "Deny", condition)), judged).explicit_deny is denied


@pytest.mark.parametrize(
    ("resource", "account"),
    [
        ("*", "123456789012"),
        ("arn:aws:ec2:us-west-2:210987654321:instance/i-0", "210987654321"),
        ("arn:aws:s3:::b", None),
    ],
)
def test_the_account_of_the_resource(resource: str, account: Optional[str]) -> None:
    context = access.request(user(), ORIGIN, ACTION, resource, {}).context
    assert context.get("aws:resourceaccount") == (None if account is None else (account,))
