# SPDX-License-Identifier: Apache-2.0
"""The condition keys that the sandbox supplies."""

from __future__ import annotations

import pytest

from eic_sandbox.iam.keys import is_supplied, unsupplied
from eic_sandbox.iam.policy import Policy, parse, parse_trust

SEND, OPEN = "ec2-instance-connect:SendSSHPublicKey", "ec2-instance-connect:OpenTunnel"


@pytest.mark.parametrize(
    ("key", "action", "supplied"),
    [
        ("aws:SourceIp", SEND, True),
        ("AWS:SOURCEIP", "EC2:DescribeInstances", True),
        ("aws:SourceIp2", SEND, False),
        ("aws:PrincipalTag/team", OPEN, True),
        ("aws:PrincipalTag/", OPEN, False),
        ("aws:PrincipalTag", OPEN, False),
        ("ec2:osuser", SEND, True),
        ("ec2:osuser", "ec2-instance-connect:sendsshpublickey", True),
        ("ec2:osuser", OPEN, False),
        ("ec2:osuser", "ec2-instance-connect:SendSerialConsoleSSHPublicKey", False),
        ("ec2-instance-connect:remotePort", OPEN, True),
        ("ec2-instance-connect:MaxTunnelDuration", OPEN, True),
        ("ec2-instance-connect:remotePort", SEND, False),
        ("aws:ResourceTag/team", SEND, True),
        ("ec2:ResourceTag/team", OPEN, True),
        ("ec2:ResourceTag/team", "ec2:DescribeInstances", False),
        ("ec2:Region", "ec2:DescribeInstances", True),
        ("aws:RequestTag/team", "ec2:CreateInstanceConnectEndpoint", True),
        ("aws:RequestTag/team", SEND, False),
        ("sts:RoleSessionName", "sts:AssumeRole", True),
        ("sts:ExternalId", "sts:AssumeRole", True),
        ("aws:RequestTag/team", "sts:TagSession", True),
        ("aws:TokenIssueTime", SEND, True),
        ("ec2:CreateAction", "ec2:CreateTags", True),
        ("ec2:CreateAction", "ec2:DeleteTags", False),
        ("aws:MultiFactorAuthPresent", SEND, False),
    ],
)
def test_key_is_supplied_for_these_actions(key: str, action: str, supplied: bool) -> None:
    assert is_supplied(key, action) is supplied


def policy(**statement: object) -> Policy:
    document = {"Effect": "Deny", "Action": "*", "Resource": "*", **statement}
    return parse({"Version": "2012-10-17", "Statement": [document, document]}, "test")


def test_condition_keys_are_those_of_conditions_and_variables() -> None:
    made = policy(
        Resource=["*", "arn:aws:ec2:*:*:instance/${aws:PrincipalTag/Host}-${*}"],
        Condition={
            "StringLike": {"aws:UserName": ["x", "${aws:userid, 'u'}"], "aws:username": "y"},
            "ArnLike": {"aws:PrincipalArn": "${aws:SourceArn}"},
            "Bool": {"aws:ViaAWSService": "true"},
        },
    )
    assert made.condition_keys == (
        "aws:PrincipalArn",
        "aws:PrincipalTag/Host",
        "aws:SourceArn",
        "aws:UserName",
        "aws:ViaAWSService",
        "aws:userid",
    )
    assert unsupplied(made) == ["aws:SourceArn", "aws:ViaAWSService"]


def test_policy_without_conditions_names_no_key() -> None:
    assert policy().condition_keys == ()
    assert unsupplied(policy()) == []


def test_keys_of_a_trust_policy_are_named() -> None:
    condition = {"StringEquals": {"sts:SourceIdentity": "x", "sts:RoleSessionName": "${aws:username}"}}
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Condition": condition}
    made = parse_trust({"Version": "2012-10-17", "Statement": statement}, "test")
    assert unsupplied(made) == ["sts:SourceIdentity"]
