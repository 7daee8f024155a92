# SPDX-License-Identifier: Apache-2.0
"""Who may create, change and delete EC2 Instance Connect Endpoints."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import pytest

from ..fleet import Fleet
from ..fleet_world import OTHER_ENDPOINT
from .calls import problem
from .endpoints import TAGS, TYPE, create, delete, modify

CHANGES: Dict[str, Callable[[Fleet, str, bool], Any]] = {
    "Create": lambda world, who, dry_run: create(world, who=who, TagSpecifications=TAGS, DryRun=dry_run),
    "Modify": lambda world, who, dry_run: modify(world, who=who, PreserveClientIp=True, DryRun=dry_run),
    "Delete": lambda world, who, dry_run: delete(world, who=who, DryRun=dry_run),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_dry_run_says_whether_a_change_is_allowed_and_changes_nothing(shared_world: Fleet, change: str) -> None:
    before = (dict(shared_world.region.endpoints), shared_world.endpoint.settings)
    denied = ("UnauthorizedOperation", 403)
    assert problem(lambda: CHANGES[change](shared_world, "admin", True)) == ("DryRunOperation", 412)
    assert problem(lambda: CHANGES[change](shared_world, "bob", True)) == denied
    assert problem(lambda: CHANGES[change](shared_world, "bob", False)) == denied
    assert (shared_world.region.endpoints, shared_world.endpoint.settings) == before
    assert shared_world.endpoint.state(shared_world.clock()).value == "create-complete"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "statements",
    [
        [{"Action": "ec2-instance-connect:*", "Resource": "*"}],
        [{"Action": "ec2:Describe*", "Resource": "*"}],
        [{"Action": "*", "Resource": f"arn:aws:ec2:us-east-1:123456789012:{TYPE}/{OTHER_ENDPOINT}"}],
        [{"Action": "*", "Resource": "arn:aws:ec2:us-east-1:210987654321:*"}],
        [{"Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/env": "dev"}}}],
        # The negated operator holds for a resource without the tag: neither may count as one.
        [{"Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:ResourceTag/env": ["test", "prod"]}}}],
        [{"Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:ec2:*:*:subnet/*"}],
        [{"Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "*", "Resource": f"arn:aws:ec2:*:*:{TYPE}/*"}],
        [
            {"Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Null": {"aws:ResourceTag/env": "false"}}},
        ],
    ],
)
def test_policies_that_do_not_allow_a_change(
    shared_world: Fleet, change: str, statements: List[Dict[str, object]]
) -> None:
    shared_world.attach("alice", *({"Effect": "Allow", **statement} for statement in statements))
    assert problem(lambda: CHANGES[change](shared_world, "alice", True)) == ("UnauthorizedOperation", 403)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:RequestTag/team": "red"}},
        {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}},
        {"StringEquals": {"ec2:CreateAction": "RunInstances"}},
        {"Null": {"aws:RequestTag/team": "true"}},
    ],
)
def test_tags_need_a_policy_that_allows_to_create_them(
    shared_world: Fleet, condition: Dict[str, Dict[str, object]]
) -> None:
    endpoints = {"Effect": "Allow", "Action": ["ec2:CreateInstanceConnectEndpoint", "ec2:CreateNetworkInterface"]}
    shared_world.attach("alice", {**endpoints, "Resource": "*"})
    with_tags: Dict[str, Any] = {"who": "alice", "TagSpecifications": [{"ResourceType": TYPE, "Tags": TAGS[0]["Tags"]}]}
    assert problem(lambda: create(shared_world, who="alice", DryRun=True)) == ("DryRunOperation", 412)
    assert problem(lambda: create(shared_world, DryRun=True, **with_tags)) == ("UnauthorizedOperation", 403)
    tags = {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*"}
    shared_world.attach("alice", {**endpoints, "Resource": "*"}, {**tags, "Condition": condition})
    assert problem(lambda: create(shared_world, DryRun=True, **with_tags)) == ("UnauthorizedOperation", 403)
    create_action = {"StringEquals": {"ec2:CreateAction": "CreateInstanceConnectEndpoint"}}
    shared_world.attach("alice", {**endpoints, "Resource": "*"}, {**tags, "Condition": create_action})
    assert problem(lambda: create(shared_world, DryRun=True, **with_tags)) == ("DryRunOperation", 412)


def test_a_new_endpoint_needs_a_permission_for_its_network_interface_too(shared_world: Fleet) -> None:
    own = {"Effect": "Allow", "Action": "ec2:CreateInstanceConnectEndpoint", "Resource": "*"}
    shared_world.attach("alice", own)
    assert problem(lambda: create(shared_world, who="alice", DryRun=True)) == ("UnauthorizedOperation", 403)
    shared_world.attach("alice", own, {**own, "Action": "ec2:CreateNetworkInterface"})
    assert problem(lambda: create(shared_world, who="alice", DryRun=True)) == ("DryRunOperation", 412)
