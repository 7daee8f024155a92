# SPDX-License-Identifier: Apache-2.0
"""The policies of AWS's documentation, attached to a user who then calls the services and opens tunnels."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Tuple

import pytest
from botocore.exceptions import ClientError

from eic_sandbox.iam.policy import parse
from testbed import keys

from ..fleet import Fleet
from ..fleet_world import ENDPOINT, FIRST, OTHER_ENDPOINT, SECOND, THIRD
from ..iam.vectors import cases

KEY = keys.ed25519_line()
POLICIES = {case.name.partition("-")[0]: case.members["policy"] for case in cases("policies.json")}
USER = "ami-username"  # the OS user in the documentation
TAGGED, UNTAGGED, OTHER_TAG = FIRST, THIRD, SECOND

Request = Callable[[Fleet], bool]
"""Makes a request as alice. Returns whether it was allowed; it is carried out then."""


def call(service: str, operation: str, **arguments: Any) -> Request:
    def make(world: Fleet) -> bool:
        try:
            getattr(world.client(service, "alice"), operation)(**arguments)
        except ClientError as refused:
            error = refused.response["Error"]["Code"]
            assert error in ("UnauthorizedOperation", "AccessDeniedException", "DryRunOperation"), error
            return bool(error == "DryRunOperation")
        return True

    return make


def push(instance_id: str = FIRST, user: str = USER) -> Request:
    """A push; that it is allowed shows in the instance's metadata."""
    send = call(
        "ec2-instance-connect", "send_ssh_public_key", InstanceId=instance_id, InstanceOSUser=user, SSHPublicKey=KEY
    )

    def make(world: Fleet) -> bool:
        world.instance(instance_id).forget_keys()
        allowed = send(world)
        assert bool(world.instance(instance_id).read(f"managed-ssh-keys/active-keys/{user}")) is allowed
        return allowed

    return make


def tunnel(**arguments: Any) -> Request:
    """A tunnel; that it is allowed shows at its target, which else sees no connection."""

    def make(world: Fleet) -> bool:
        before = len(world.target.peers)
        status, body = world.open(world.url("alice", **arguments))
        assert status in (200, 403, 1011)
        assert status != 403 or json.loads(body)["ErrorCode"] == "AccessDeniedException"
        assert len(world.target.peers) == before + (status == 200)
        return status != 403

    return make


DESCRIBE = {
    name: call("ec2", f"describe_{name}") for name in ("instances", "vpcs", "subnets", "instance_connect_endpoints")
}
CREATE = call(
    "ec2", "create_instance_connect_endpoint", SubnetId="subnet-00000000000000003", DryRun=True,
    TagSpecifications=[{"ResourceType": "instance-connect-endpoint", "Tags": [{"Key": "k", "Value": "v"}]}],
)  # fmt: skip
MODIFY = call(
    "ec2", "modify_instance_connect_endpoint", InstanceConnectEndpointId=ENDPOINT, PreserveClientIp=True, DryRun=True
)
DELETE = call("ec2", "delete_instance_connect_endpoint", InstanceConnectEndpointId=ENDPOINT, DryRun=True)
SERIAL = call("ec2-instance-connect", "send_serial_console_ssh_public_key", InstanceId=FIRST, SSHPublicKey=KEY)
OTHER = {"endpoint": OTHER_ENDPOINT, "address": "10.1.0.5"}

# The policy, and what it allows and denies: the table of the eight, one row for each cell.
TABLE: List[Tuple[str, str, Request, bool]] = [
    ("1", "the first instance, the right user", push(), True),
    ("1", "the second instance, the right user", push(SECOND), True),
    ("1", "describe instances", DESCRIBE["instances"], True),
    ("1", "describe VPCs", DESCRIBE["vpcs"], True),
    ("1", "a third instance", push(THIRD), False),
    ("1", "another user", push(user="root"), False),
    ("1", "the user in another case", push(user="AMI-username"), False),
    ("1", "a tunnel", tunnel(), False),
    ("1", "describe subnets", DESCRIBE["subnets"], False),
    ("2", "a tagged instance, any user", push(TAGGED, "root"), True),
    ("2", "an untagged instance", push(UNTAGGED), False),
    ("2", "an instance with another value", push(OTHER_TAG), False),
    ("2", "a tunnel", tunnel(), False),
    ("3", "port 22 of .0", tunnel(), True),
    ("3", "port 22 of .1", tunnel(address="10.0.1.1"), True),
    ("3", "an hour", tunnel(max_duration=3600), True),
    ("3", "a key of the right user", push(), True),
    ("3", "describe endpoints", DESCRIBE["instance_connect_endpoints"], True),
    ("3", "port 3389", tunnel(port=3389), False),
    ("3", "port 22 of .2", tunnel(address="10.0.1.2"), False),
    ("3", "another endpoint", tunnel(**OTHER), False),
    ("3", "a key of another user", push(user="root"), False),
    ("3", "the control plane", DELETE, False),
    ("4", "port 3389", tunnel(port=3389), True),
    ("4", "port 22", tunnel(), False),
    ("4", "a key", push(), False),
    ("5 in range", "port 22", tunnel(), True),
    ("5 in range", "port 3389", tunnel(port=3389), False),
    ("5 in range", "another endpoint", tunnel(**OTHER), False),
    ("5", "port 22 from elsewhere", tunnel(), False),
    ("5", "a key from elsewhere", push(), True),
    ("6", "create an endpoint with tags", CREATE, True),
    ("6", "change an endpoint", MODIFY, True),
    ("6", "delete an endpoint", DELETE, True),
    ("6", "describe endpoints", DESCRIBE["instance_connect_endpoints"], True),
    ("6", "describe subnets", DESCRIBE["subnets"], True),
    ("6", "describe instances", DESCRIBE["instances"], False),
    ("6", "a tunnel", tunnel(), False),
    ("6", "a key", push(), False),
    ("7 in range", "instance, range and user", push(user="ec2-user"), True),
    ("7 in range", "another instance", push(SECOND, "ec2-user"), False),
    ("7 in range", "another user", push(user="root"), False),
    ("7", "another range", push(user="ec2-user"), False),
    ("7 in range", "a tunnel", tunnel(), False),
    ("8", "describe instances", DESCRIBE["instances"], True),
    ("8", "create an endpoint with tags", CREATE, True),
    ("8", "change an endpoint", MODIFY, True),
    ("8", "delete an endpoint", DELETE, True),
    ("8", "a tunnel", tunnel(), False),
    ("8", "a key", push(), False),
    ("8", "a key for the serial console", SERIAL, False),
]


def policy(name: str) -> object:
    """A documented policy; "in range" puts the clients of this test into the range that it names."""
    number, _, changed = name.partition(" ")
    text = json.dumps(POLICIES[number])
    if changed:
        text = text.replace("192.0.2.0/24", "127.0.0.0/8").replace("198.51.100.0/24", "127.0.0.0/8")
        assert text != json.dumps(POLICIES[number])
    found: Dict[str, object] = json.loads(text)
    return found


@pytest.mark.parametrize(
    ("name", "request_", "allowed"),
    [pytest.param(name, request, allowed, id=f"{name}: {what}") for name, what, request, allowed in TABLE],
)
def test_a_documented_policy_allows_and_denies_what_its_page_says(
    shared_world: Fleet, name: str, request_: Request, allowed: bool
) -> None:
    shared_world.sandbox.cloud.directory.attach("alice", parse(policy(name), "documented"))
    assert request_(shared_world) is allowed


def test_all_eight_policies_have_both_allowed_and_denied_requests() -> None:
    for number in range(1, 9):
        assert {allowed for name, _, _, allowed in TABLE if name[0] == str(number)} == {True, False}


@pytest.mark.parametrize("request_", [row[2] for row in TABLE], ids=[f"{row[0]}: {row[1]}" for row in TABLE])
def test_without_a_policy_each_of_these_requests_is_denied(shared_world: Fleet, request_: Request) -> None:
    shared_world.sandbox.cloud.directory.find("alice").policies.clear()  # type: ignore[union-attr] # a user
    assert request_(shared_world) is False
