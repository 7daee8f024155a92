# SPDX-License-Identifier: Apache-2.0
"""Several policies and statements together, and the text of a refusal."""

from __future__ import annotations

from typing import Dict

import pytest

from eic_sandbox.iam.evaluate import Verdict, evaluate, refusal
from eic_sandbox.iam.policy import Policy, parse
from eic_sandbox.iam.request import Request

SEND = "ec2-instance-connect:SendSSHPublicKey"
INSTANCE = "arn:aws:ec2:us-east-1:123456789012:instance/i-1"
USER = "arn:aws:iam::123456789012:user/bob"
REQUEST = Request(SEND, INSTANCE, {"ec2:osuser": ("root",)})


def statement(effect: str, action: str = "*", **more: object) -> Dict[str, object]:
    return {"Effect": effect, "Action": action, "Resource": "*", **more}


def policy(name: str, *statements: Dict[str, object]) -> Policy:
    return parse({"Version": "2012-10-17", "Statement": list(statements)}, name)


ALLOW = policy("allow", statement("Allow", "s3:*"), statement("Allow", Sid="All"))
DENY = policy("deny", statement("Deny", Condition={"StringEquals": {"ec2:osuser": "root"}}))


@pytest.mark.parametrize(
    ("policies", "verdict"),
    [
        ([], Verdict(False, False, None, None)),
        ([policy("other", statement("Allow", "s3:*"))], Verdict(False, False, None, None)),
        ([ALLOW], Verdict(True, False, "allow", "All")),
        ([policy("first", statement("Allow")), ALLOW], Verdict(True, False, "first", "statement 1")),
        ([DENY], Verdict(False, True, "deny", "statement 1")),
        ([ALLOW, DENY], Verdict(False, True, "deny", "statement 1")),
        ([DENY, ALLOW], Verdict(False, True, "deny", "statement 1")),
        ([policy("both", statement("Allow"), statement("Deny", SEND, Sid="No"))], Verdict(False, True, "both", "No")),
        ([ALLOW, policy("other", statement("Deny", "ec2:*"))], Verdict(True, False, "allow", "All")),
    ],
)
def test_explicit_deny_wins_then_the_first_allow(policies: list[Policy], verdict: Verdict) -> None:
    assert evaluate(policies, REQUEST) == verdict


def test_deny_whose_condition_does_not_hold_does_not_count() -> None:
    assert evaluate([ALLOW, DENY], Request(SEND, INSTANCE, {"ec2:osuser": ("al",)})).allowed


def test_policy_may_have_one_statement_without_an_array() -> None:
    assert evaluate([parse({"Statement": statement("Allow")}, "one")], REQUEST).statement == "statement 1"


def test_policy_of_the_older_version_is_evaluated() -> None:
    assert evaluate([parse({"Version": "2008-10-17", "Statement": statement("Allow")}, "old")], REQUEST).allowed


@pytest.mark.parametrize(
    ("request_", "policies", "text"),
    [
        (
            REQUEST,
            [],
            f"User: {USER} is not authorized to perform: {SEND} on resource: {INSTANCE} because no identity-based "
            f"policy allows the {SEND} action",
        ),
        (
            REQUEST,
            [ALLOW, DENY],
            f"User: {USER} is not authorized to perform: {SEND} on resource: {INSTANCE} with an explicit deny in an "
            "identity-based policy",
        ),
        (
            Request("ec2:DescribeInstances", "*"),
            [],
            f"User: {USER} is not authorized to perform: ec2:DescribeInstances because no identity-based policy allows "
            "the ec2:DescribeInstances action",
        ),
    ],
    ids=["no-allow", "explicit-deny", "no-resource"],
)
def test_refusal_has_the_text_of_iam(request_: Request, policies: list[Policy], text: str) -> None:
    assert refusal(USER, request_, evaluate(policies, request_)) == text


def test_allowed_request_has_no_refusal() -> None:
    with pytest.raises(ValueError, match="there is no refusal"):
        refusal(USER, REQUEST, Verdict(True, False))
