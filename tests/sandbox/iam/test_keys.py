# SPDX-License-Identifier: Apache-2.0
"""The condition keys that the sandbox supplies."""

from __future__ import annotations

import pytest

from eic_sandbox.iam.keys import is_supplied, unsupplied
from eic_sandbox.iam.policy import Policy, parse, parse_trust


@pytest.mark.parametrize(
    ("key", "supplied"),
    [
        ("aws:SourceIp", True),
        ("AWS:SOURCEIP", True),
        ("aws:SourceIp2", False),
        ("aws:SourceI", False),
        ("aws:PrincipalTag/team", True),
        ("AWS:PrincipalTag/Team", True),
        ("aws:PrincipalTag/", False),
        ("aws:PrincipalTag", False),
        ("ec2-instance-connect:MaxTunnelDuration", True),
        ("aws:MultiFactorAuthPresent", True),
        ("aws:MultiFactorAuthAge", False),
    ],
)
def test_key_is_supplied_in_any_case(key: str, supplied: bool) -> None:
    assert is_supplied(key) is supplied


def policy(**statement: object) -> Policy:
    document = {"Effect": "Deny", "Action": "*", "Resource": "*", **statement}
    return parse({"Version": "2012-10-17", "Statement": [document, document]}, "test")


def test_condition_keys_are_those_of_conditions_and_variables() -> None:
    made = policy(
        Resource=["*", "arn:aws:ec2:*:*:instance/${aws:PrincipalTag/Host}-${*}"],
        Condition={
            "StringLike": {"aws:UserName": ["x", "${aws:userid, 'u'}"], "aws:username": "y"},
            "ArnLike": {"aws:PrincipalArn": "${aws:SourceArn}"},
            "Bool": {"aws:FederatedProvider": "true"},
        },
    )
    assert made.condition_keys == (
        "aws:FederatedProvider",
        "aws:PrincipalArn",
        "aws:PrincipalTag/Host",
        "aws:SourceArn",
        "aws:UserName",
        "aws:userid",
    )
    assert unsupplied(made) == ["aws:FederatedProvider", "aws:SourceArn"]


def test_policy_without_conditions_names_no_key() -> None:
    assert policy().condition_keys == ()
    assert unsupplied(policy()) == []


def test_keys_of_a_trust_policy_are_named() -> None:
    condition = {"StringEquals": {"sts:SourceIdentity": "x", "sts:RoleSessionName": "${aws:username}"}}
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Condition": condition}
    made = parse_trust({"Version": "2012-10-17", "Statement": statement}, "test")
    assert unsupplied(made) == ["sts:SourceIdentity"]
