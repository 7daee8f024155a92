# SPDX-License-Identifier: Apache-2.0
"""STS: who calls, and who may assume which role under which conditions."""

from __future__ import annotations

import datetime
import json
from typing import Any, Dict, List, Optional

import pytest

from ..fleet import EVERYTHING, Fleet
from ..fleet_world import ACCOUNT, FIRST, OTHER_ACCOUNT
from .calls import problem
from .roles import ALICE, ASSUME, DENIED, ROLE, Statement, add_role, as_session, assume

MALLORY = f"arn:aws:iam::{OTHER_ACCOUNT}:user/mallory"
INVALID = ("ValidationError", 400)


def test_a_user_and_a_session_are_told_who_they_are(world: Fleet) -> None:
    assert world.client("sts", "alice").get_caller_identity()["Arn"] == ALICE
    add_role(world, {"Principal": {"AWS": ALICE}})
    answer = assume(world)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Tested/session"
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": "AROATESTED:session", "Arn": session}
    identity = as_session(world, answer, "sts").get_caller_identity()
    assert (identity["Arn"], identity["UserId"], identity["Account"]) == (session, "AROATESTED:session", ACCOUNT)


def test_who_calls_needs_no_permission_and_an_explicit_deny_does_not_hide_it(world: Fleet) -> None:
    world.attach("bob", {"Effect": "Deny", "Action": "*", "Resource": "*"})
    assert world.client("sts", "bob").get_caller_identity()["Account"] == ACCOUNT


def when(operator: str, key: str, value: object) -> Statement:
    return {"Principal": {"AWS": ALICE}, "Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("who", "trust", "own", "more", "allowed"),
    [
        # By name: the caller's own policies need not allow it, but must not deny it.
        ("alice", [{"Principal": {"AWS": ALICE}}], [], {}, True),
        ("bob", [{"Principal": {"AWS": ALICE}}], [ASSUME], {}, False),
        ("alice", [{"Principal": {"AWS": ALICE}}], [{**ASSUME, "Effect": "Deny"}], {}, False),
        # By account, or everyone: the caller's own policies must allow it too.
        ("alice", [{"Principal": {"AWS": ACCOUNT}}], [], {}, False),
        ("alice", [{"Principal": {"AWS": ACCOUNT}}], [ASSUME], {}, True),
        ("alice", [{"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}], [ASSUME], {}, True),
        ("alice", [{"Principal": {"AWS": "*"}}], [], {}, False),
        ("alice", [{"Principal": {"AWS": ACCOUNT}}], [{**ASSUME, "Resource": ROLE + "2"}], {}, False),
        # Another account: both sides must allow it.
        ("mallory", [{"Principal": {"AWS": ALICE}}], None, {}, False),
        ("mallory", [{"Principal": {"AWS": ACCOUNT}}], None, {}, False),
        ("mallory", [{"Principal": {"AWS": MALLORY}}], None, {}, True),
        ("mallory", [{"Principal": {"AWS": MALLORY}}], [], {}, False),
        ("mallory", [{"Principal": {"AWS": OTHER_ACCOUNT}}], None, {}, True),
        # A deny of the trust policy wins.
        ("alice", [{"Principal": {"AWS": ALICE}}, {"Effect": "Deny", "Principal": "*"}], [EVERYTHING], {}, False),
        # Session names.
        ("alice", [when("StringEquals", "sts:RoleSessionName", "${aws:username}")], [], {}, False),
        ("alice", [when("StringEquals", "sts:RoleSessionName", "${aws:username}")], [],
         {"RoleSessionName": "alice"}, True),
        ("alice", [when("StringLike", "sts:RoleSessionName", "ci-*")], [], {"RoleSessionName": "ci-7"}, True),
        ("alice", [when("StringLike", "sts:RoleSessionName", "ci-*")], [], {"RoleSessionName": "CI-7"}, False),
        # External ids.
        ("alice", [when("StringEquals", "sts:ExternalId", "secret")], [], {}, False),
        ("alice", [when("StringEquals", "sts:ExternalId", "secret")], [], {"ExternalId": "other"}, False),
        ("alice", [when("StringEquals", "sts:ExternalId", "secret")], [], {"ExternalId": "secret"}, True),
        # Tags.
        ("alice", [when("StringEquals", "aws:RequestTag/team", "blue")], [],
         {"Tags": [{"Key": "team", "Value": "blue"}]}, True),
        ("alice", [when("StringEquals", "aws:RequestTag/team", "blue")], [],
         {"Tags": [{"Key": "team", "Value": "red"}]}, False),
        ("alice", [when("ForAllValues:StringEquals", "aws:TagKeys", ["team"])], [],
         {"Tags": [{"Key": "team", "Value": "x"}, {"Key": "admin", "Value": "x"}]}, False),
        ("alice", [{"Action": "sts:AssumeRole", "Principal": {"AWS": ALICE}}], [EVERYTHING],
         {"Tags": [{"Key": "team", "Value": "x"}]}, False),
        ("alice", [when("StringEquals", "aws:PrincipalTag/team", "blue")], [], {}, True),
        ("alice", [when("IpAddress", "aws:SourceIp", "192.0.2.0/24")], [EVERYTHING], {}, False),
    ],
)  # fmt: skip
def test_who_may_assume_a_role(
    shared_world: Fleet,
    who: str,
    trust: List[Statement],
    own: Optional[List[Statement]],
    more: Dict[str, Any],
    allowed: bool,
) -> None:
    directory = shared_world.sandbox.cloud.directory
    user = directory.find(who)
    before = dict(user.policies)  # type: ignore[union-attr] # a user
    try:
        add_role(shared_world, *trust)
        if own is not None:
            user.policies.clear()  # type: ignore[union-attr]
            if own:
                shared_world.attach(who, *own)
        if allowed:
            assert assume(shared_world, who, **more)["Credentials"]["SessionToken"]
        else:
            assert problem(lambda: assume(shared_world, who, **more)) == DENIED
    finally:
        user.policies.clear()  # type: ignore[union-attr]
        user.policies.update(before)  # type: ignore[union-attr]


def test_a_role_that_does_not_exist_is_refused_as_one_that_may_not_be_assumed(shared_world: Fleet) -> None:
    for role in (f"arn:aws:iam::{ACCOUNT}:role/Nobody", f"arn:aws:iam::{OTHER_ACCOUNT}:role/Nobody"):
        assert problem(lambda: assume(shared_world, "admin", role)) == DENIED  # noqa: B023


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"RoleArn": "Tested"}, INVALID),
        ({"RoleArn": ALICE}, INVALID),
        ({"RoleArn": None}, INVALID),
        ({"RoleSessionName": None}, INVALID),
        ({"RoleSessionName": "x"}, INVALID),
        ({"RoleSessionName": "x" * 65}, INVALID),
        ({"RoleSessionName": "a b"}, INVALID),
        ({"RoleSessionName": "a/b"}, INVALID),
        ({"RoleSessionName": "\u00e4\u00e4"}, INVALID),
        ({"DurationSeconds": 899}, INVALID),
        ({"DurationSeconds": 43201}, INVALID),
        ({"DurationSeconds": 3601}, INVALID),
        ({"DurationSeconds": "1e4"}, INVALID),
        ({"ExternalId": "x"}, INVALID),
        ({"ExternalId": "a b"}, INVALID),
        ({"Tags": [{"Key": "aws:x", "Value": ""}]}, INVALID),
        ({"Tags": [{"Key": "k" * 129, "Value": ""}]}, INVALID),
        ({"Tags": [{"Key": "k", "Value": "v" * 257}]}, INVALID),
        ({"Tags": [{"Key": "k", "Value": "i-*"}]}, INVALID),  # a policy variable would be a wildcard
        ({"Tags": [{"Key": "k", "Value": "v"}] * 2}, INVALID),
        ({"Tags": [{"Key": "k", "Value": "v"}, {"Key": "K", "Value": "w"}]}, INVALID),
        ({"Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(51)]}, INVALID),
        ({"Policy": "{"}, ("MalformedPolicyDocument", 400)),
        ({"Policy": "[" * 2000}, ("MalformedPolicyDocument", 400)),
        ({"Policy": json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "May"}]})},
         ("MalformedPolicyDocument", 400)),
        ({"Policy": " " * 2049}, ("PackedPolicyTooLarge", 400)),
        ({"SerialNumber": "arn:aws:iam::123456789012:mfa/x"}, ("UnknownParameter", 400)),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}, ("UnknownParameter", 400)),
    ],
)  # fmt: skip
def test_arguments_with_which_no_role_is_assumed(
    shared_world: Fleet, arguments: Dict[str, Any], error: tuple[str, int]
) -> None:
    add_role(shared_world, {"Principal": {"AWS": ALICE}})
    sessions = len(shared_world.sandbox.cloud.directory.sessions())
    given = {"RoleArn": ROLE, "RoleSessionName": "session", **arguments}
    sent = {name: value for name, value in given.items() if value is not None}
    assert problem(lambda: shared_world.client("sts", "alice").assume_role(**sent)) == error
    assert len(shared_world.sandbox.cloud.directory.sessions()) == sessions


@pytest.mark.parametrize(
    ("most", "asked", "given"), [(3600, None, 3600), (3600, 900, 900), (43200, 43200, 43200), (7200, None, 3600)]
)
def test_a_session_lasts_as_long_as_it_was_asked_for(
    shared_world: Fleet, most: int, asked: Optional[int], given: int
) -> None:
    add_role(shared_world, {"Principal": {"AWS": ALICE}}, max_duration=most)
    before = datetime.datetime.now(datetime.timezone.utc)
    more: Dict[str, Any] = {} if asked is None else {"DurationSeconds": asked}
    lasts = assume(shared_world, **more)["Credentials"]["Expiration"] - before
    assert given - 1 <= lasts.total_seconds() <= given + 60


def test_a_session_that_assumes_a_role_gets_an_hour_at_most(world: Fleet) -> None:
    add_role(world, {"Principal": {"AWS": ALICE}})
    add_role(world, {"Principal": {"AWS": ROLE}}, name="Next", max_duration=43200)
    first = as_session(world, assume(world), "sts")
    following = f"arn:aws:iam::{ACCOUNT}:role/Next"
    assert problem(lambda: assume(world, first, following, DurationSeconds=3601)) == INVALID
    second = assume(world, first, following, DurationSeconds=3600)
    assert second["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Next/session"
    assert problem(lambda: assume(world, "alice", following)) == DENIED


def test_a_session_policy_restricts_what_the_role_allows_and_adds_nothing(world: Fleet) -> None:
    add_role(world, {"Principal": {"AWS": ALICE}})
    world.attach("Tested", {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"})
    statement = {"Effect": "Allow", "Action": ["ec2:DescribeVpcs", "ec2-instance-connect:*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    answer = assume(world, Policy=policy)
    ec2 = as_session(world, answer, "ec2")
    assert ec2.describe_vpcs()["Vpcs"]
    assert problem(ec2.describe_subnets) == ("UnauthorizedOperation", 403)
    connect = as_session(world, answer, "ec2-instance-connect")
    key = "ssh-ed25519 " + "A" * 80
    push = problem(lambda: connect.send_ssh_public_key(InstanceId=FIRST, InstanceOSUser="root", SSHPublicKey=key))[0]
    assert push in ("AccessDeniedException", "InvalidArgsException")
    assert as_session(world, assume(world), "ec2").describe_subnets()["Subnets"]


def test_a_session_whose_policy_does_not_allow_it_assumes_no_further_role_that_trusts_it(world: Fleet) -> None:
    add_role(world, {"Principal": {"AWS": ALICE}})
    add_role(world, {"Principal": {"AWS": ROLE}}, name="Next")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}
    restricted = as_session(world, assume(world, Policy=json.dumps(policy)), "sts")
    assert problem(lambda: assume(world, restricted, f"arn:aws:iam::{ACCOUNT}:role/Next")) == DENIED


def test_a_tag_of_a_session_replaces_that_of_its_role_in_any_case(world: Fleet) -> None:
    role = add_role(world, {"Principal": {"AWS": ALICE}})
    role.tags["Team"] = "red"
    condition = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    world.attach("Tested", {"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": condition})
    assert as_session(world, assume(world), "ec2").describe_vpcs()["Vpcs"]
    tagged = as_session(world, assume(world, Tags=[{"Key": "tEAM", "Value": "blue"}]), "ec2")
    assert problem(tagged.describe_vpcs) == ("UnauthorizedOperation", 403)
    blue = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    world.attach("Tested", {"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": blue})
    assert tagged.describe_vpcs()["Vpcs"]


def test_the_trail_has_the_assumed_role_but_no_secret(world: Fleet) -> None:
    add_role(world, {"Principal": {"AWS": ALICE}})
    answer = assume(world, ExternalId="external", Tags=[{"Key": "team", "Value": "blue"}])
    event = world.events[-1]
    assert event["requestParameters"]["roleArn"] == ROLE
    assert event["responseElements"]["assumedRoleUser"]["arn"] == answer["AssumedRoleUser"]["Arn"]
    assert event["responseElements"]["credentials"]["accessKeyId"] == answer["Credentials"]["AccessKeyId"]
    text = json.dumps(world.events)
    assert answer["Credentials"]["SecretAccessKey"] not in text
    assert answer["Credentials"]["SessionToken"] not in text
