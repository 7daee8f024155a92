# SPDX-License-Identifier: Apache-2.0
"""Credentials, policies and sessions at the control API, and what they allow."""

from __future__ import annotations

from typing import Dict

import pytest

from eic_sandbox.server import Sandbox

from .answers import FIRST, OTHER, SECOND, Control

DESCRIBE, OPEN = "ec2:DescribeInstances", "ec2-instance-connect:OpenTunnel"
CAROL = "123456789012/Operators/carol"
DENY = {"Statement": {"Sid": "Never", "Effect": "Deny", "Action": "ec2:*", "Resource": "*"}}


def allowed(control: Control, principal: str, action: str = DESCRIBE, resource: str = "*", **context: object) -> object:
    body: Dict[str, object] = {"principal": principal, "action": action, "resource": resource}
    if context:
        body["context"] = context["context"]
    answer = control("POST", "can", body)
    assert answer.status == 200, answer
    return answer.members["allowed"]


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("", "arn:aws:iam::123456789012:user/alice"),
        ("?as=123456789012/alice", "arn:aws:iam::123456789012:user/alice"),
        ("?as=arn:aws:iam::123456789012:user/alice", "arn:aws:iam::123456789012:user/alice"),
        (f"?as={CAROL}", "arn:aws:sts::123456789012:assumed-role/Operators/carol"),
        ("?as=210987654321/Operators/carol", "arn:aws:sts::210987654321:assumed-role/Operators/carol"),
    ],
)
def test_credentials_are_those_of_the_named_user_or_session(control: Control, name: str, arn: str) -> None:
    answer = control("GET", f"credentials{name}")
    assert (answer.status, answer.members["arn"]) == (200, arn)
    assert (answer.members["token"] is None) == ("user/" in arn)
    assert answer.members["region"] == "us-west-2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", "nobody: no such user, role or session. Use one of: Operators, Twin, alice, bob."),
        ("alice", "alice: 2 have this name. Use one of: arn:aws:iam::123456789012:user/alice, "
                  "arn:aws:iam::210987654321:user/alice."),
        ("123456789012/Twin", "123456789012/Twin: 2 have this name. Use one of: arn:aws:iam::123456789012:user/Twin, "
                              "arn:aws:iam::123456789012:role/Twin."),
        ("Operators/carol", "Operators/carol: 2 have this name. Use one of: "
                            "arn:aws:sts::123456789012:assumed-role/Operators/carol, "
                            "arn:aws:sts::210987654321:assumed-role/Operators/carol."),
        ("bob", "arn:aws:iam::123456789012:user/bob: no access key. Add one to the world file."),
        ("123456789012/Operators", "arn:aws:iam::123456789012:role/Operators: a role has no access key. "
                                   "Name one of its sessions, or use sts assume-role."),
        ("", "'': no such user"),
        ("%1b[31m%0a", "'\\x1b[31m\\n': no such user"),
        ("a" * 4000, "'" + "a" * 64 + "': no such user"),
    ],
)  # fmt: skip
def test_credentials_of_nobody_or_of_several_are_refused(control: Control, name: str, message: str) -> None:
    answer = control("GET", f"credentials?as={name}")
    assert answer.status == 400
    assert answer.error.startswith(message)


def test_an_attached_policy_counts_at_once_and_a_detached_one_no_longer(control: Control) -> None:
    assert not allowed(control, "bob")
    assert control("PUT", "policies", {"to": "bob", "policy": "readers"}).members == {
        "attached": "readers",
        "to": "bob",
    }
    assert allowed(control, "bob")
    assert control("DELETE", "policies", {"from": "bob", "policy": "readers"}).status == 200
    assert not allowed(control, "bob")


def test_a_policy_of_a_role_is_attached_by_the_name_of_the_role_or_of_a_session(control: Control) -> None:
    assert control("DELETE", "policies", {"from": CAROL, "policy": "readers"}).status == 200
    assert not allowed(control, CAROL)
    assert control("PUT", "policies", {"to": "123456789012/Operators", "policy": "readers"}).status == 200
    assert allowed(control, CAROL)
    assert not allowed(control, "210987654321/Operators/carol")


def test_a_policy_that_comes_with_the_request_replaces_one_of_its_name(control: Control) -> None:
    name = "123456789012/alice"
    assert allowed(control, name)
    assert control("PUT", "policies", {"to": name, "policy": "readers", "document": DENY}).status == 200
    answer = control("POST", "can", {"principal": name, "action": DESCRIBE, "resource": "*"})
    assert answer.members == {
        "allowed": False,
        "explicit_deny": True,
        "policy": "readers",
        "statement": "Never",
        "message": "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: ec2:DescribeInstances"
        " with an explicit deny in an identity-based policy",
    }
    assert allowed(control, CAROL)  # the policy of the world file is as it was


def test_a_user_has_at_most_a_hundred_policies(control: Control, world: Sandbox) -> None:
    document = {"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}}
    user = world.cloud.directory.find("bob")
    for number in range(99):
        assert control("PUT", "policies", {"to": "bob", "policy": f"p{number}", "document": document}).status == 200
    answer = control("PUT", "policies", {"to": "bob", "policy": "p99", "document": document})
    assert answer.error == f"{user.arn}: has 100 policies. Detach one."
    assert control("PUT", "policies", {"to": "bob", "policy": "p98", "document": document}).status == 200


def test_revocation_denies_everything_to_the_sessions_of_the_role_until_now(control: Control) -> None:
    assert allowed(control, CAROL)
    answer = control("POST", "revoke", {"role": "123456789012/Operators"})
    assert answer.members["revoked"] == "123456789012/Operators"
    verdict = control("POST", "can", {"principal": CAROL, "action": DESCRIBE, "resource": "*"}).members
    assert (verdict["allowed"], verdict["explicit_deny"], verdict["policy"]) == (False, True, "AWSRevokeOlderSessions")
    assert allowed(control, CAROL, context={"aws:TokenIssueTime": "2099-01-01T00:00:00Z"})  # a later session


@pytest.mark.parametrize(
    ("resource", "context", "expected"),
    [
        ("eice-0000000a", {"aws:SourceIp": "192.0.2.7"}, True),
        ("eice-0000000a", {"AWS:sourceip": "192.0.2.7"}, True),
        ("eice-0000000a", {"aws:SourceIp": ["192.0.2.7"]}, True),
        ("eice-0000000a", {"aws:SourceIp": "198.51.100.7"}, False),
        ("eice-0000000a", {}, False),
        (FIRST, {"aws:SourceIp": "192.0.2.7"}, True),  # its tag fits; a tunnel's resource is the endpoint
        (SECOND, {"aws:SourceIp": "192.0.2.7"}, False),
        (SECOND, {"aws:SourceIp": "192.0.2.7", "aws:ResourceTag/team": "blue"}, True),
        (FIRST, {"aws:SourceIp": "192.0.2.7", "aws:resourcetag/TEAM": "red"}, False),
        ("eice-0000000a", {"aws:SourceIp": "192.0.2.7", "aws:ResourceTag/team": "red"}, False),
        (
            "arn:aws:ec2:us-west-2:123456789012:instance-connect-endpoint/eice-0000000a",
            {"aws:SourceIp": "192.0.2.7"},
            True,
        ),
        (
            "arn:aws:ec2:us-west-2:123456789012:instance-connect-endpoint/eice-ffffffff",
            {"aws:SourceIp": "192.0.2.7"},
            False,
        ),
        ("*", {"aws:SourceIp": "192.0.2.7", "aws:ResourceTag/team": "blue"}, True),
    ],
)
def test_can_judges_with_the_tags_of_the_resource_and_the_given_keys(
    control: Control, resource: str, context: Dict[str, object], expected: bool
) -> None:
    control("PUT", "policies", {"to": "bob", "policy": "tunnels"})
    assert allowed(control, "bob", OPEN, resource, context=context) is expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (OTHER, True),
        (FIRST, False),
        ("*", False),
        ("arn:aws:ec2:eu-west-1:123456789012:instance/i-ffffffff", True),
        ("arn:aws:iam::123456789012:role/x", False),
    ],
)
def test_can_takes_the_region_of_the_resource(control: Control, resource: str, expected: bool) -> None:
    assert allowed(control, "bob", "ec2:StopInstances", resource) is expected


def test_can_names_the_statement_that_allows(control: Control) -> None:
    answer = control("POST", "can", {"principal": CAROL, "action": DESCRIBE, "resource": "*"})
    assert answer.members == {
        "allowed": True, "explicit_deny": False, "policy": "readers", "statement": "Read", "message": ""
    }  # fmt: skip
