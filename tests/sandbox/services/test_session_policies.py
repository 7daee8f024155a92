# SPDX-License-Identifier: Apache-2.0
"""What a session policy, and the tags of a session and of a role, change."""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest

from ..fleet import Fleet
from ..fleet_world import ACCOUNT
from .calls import problem
from .roles import ALICE, ASSUME, DENIED, ROLE, add_role, as_session, assume

NEXT = f"arn:aws:iam::{ACCOUNT}:role/Next"


def allowing(action: str, resource: str = "*") -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("policy", "by", "allowed"),
    [
        (allowing("sts:AssumeRole", NEXT), ROLE, True),
        (allowing("sts:AssumeRole", ROLE), ROLE, False),
        (allowing("ec2:*"), ROLE, False),
        (allowing("sts:AssumeRole", NEXT), f"arn:aws:iam::{ACCOUNT}:root", False),
    ],
)
def test_a_session_assumes_a_role_that_trusts_its_role_where_its_own_policy_allows_it(
    world: Fleet, policy: str, by: str, allowed: bool
) -> None:
    add_role(world, {"Principal": {"AWS": ALICE}})
    add_role(world, {"Principal": {"AWS": by}}, name="Next")
    restricted = as_session(world, assume(world, Policy=policy), "sts")
    if allowed:
        assert assume(world, restricted, NEXT)["Credentials"]["SessionToken"]
    else:
        assert problem(lambda: assume(world, restricted, NEXT)) == DENIED


@pytest.mark.parametrize(
    "policy",
    [
        '{"Statement": {"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:a": NaN}}}}',
    ],
)
def test_a_session_policy_with_two_meanings_or_that_is_no_json_is_malformed(world: Fleet, policy: str) -> None:
    add_role(world, {"Principal": {"AWS": ALICE}})
    assert problem(lambda: assume(world, Policy=policy)) == ("MalformedPolicyDocument", 400)


def test_a_tag_of_a_session_hides_no_tag_of_its_role_by_a_letter_that_only_looks_alike(world: Fleet) -> None:
    role = add_role(world, {"Principal": {"AWS": ALICE}})
    role.tags["kind"] = "red"
    condition = {"StringEquals": {"aws:PrincipalTag/kind": "red"}}
    world.attach("Tested", {"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": condition})
    answer = assume(world, Tags=[{"Key": "\u212aind", "Value": "blue"}])  # KELVIN SIGN
    assert as_session(world, answer, "ec2").describe_vpcs()["Vpcs"]


@pytest.mark.parametrize("prefix", ["aws", "iam"])
@pytest.mark.parametrize(("value", "allowed"), [("red", True), ("blue", False)])
def test_who_may_assume_a_role_by_its_tags(world: Fleet, prefix: str, value: str, allowed: bool) -> None:
    add_role(world, {"Principal": {"AWS": ACCOUNT}}).tags["team"] = "red"
    condition: Dict[str, Any] = {"StringEquals": {f"{prefix}:ResourceTag/team": value}}
    world.attach("alice", {**ASSUME, "Condition": condition})
    if allowed:
        assert assume(world)["Credentials"]["SessionToken"]
    else:
        assert problem(lambda: assume(world)) == DENIED
