# SPDX-License-Identifier: Apache-2.0
"""EC2 Instance Connect Endpoints: how they are created, described, changed and deleted, and what is refused."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from ..fleet import Fleet
from ..fleet_world import ENDPOINT, FOREIGN_ENDPOINT, OTHER_ENDPOINT, SUBNET, VPC
from .calls import problem
from .endpoints import FREE, TAGS, TYPE, create, delete, describe, modify


def state(world: Fleet, endpoint: str) -> str:
    (found,) = describe(world, InstanceConnectEndpointIds=[endpoint])
    return str(found["State"])


def test_an_endpoint_passes_through_its_states_in_time(world: Fleet) -> None:
    made = create(world)["InstanceConnectEndpoint"]
    endpoint = made["InstanceConnectEndpointId"]
    assert made["State"] == state(world, endpoint) == "create-in-progress"
    assert problem(lambda: delete(world, endpoint)) == ("IncorrectState", 400)
    assert problem(lambda: modify(world, endpoint, PreserveClientIp=True)) == ("IncorrectState", 400)
    world.clock.ahead += 61
    assert state(world, endpoint) == "create-complete"
    modify(world, endpoint, PreserveClientIp=True)
    assert state(world, endpoint) == "update-in-progress"
    assert problem(lambda: modify(world, endpoint, PreserveClientIp=False)) == ("IncorrectState", 400)
    world.clock.ahead += 61
    assert state(world, endpoint) == "update-complete"
    assert delete(world, endpoint)["InstanceConnectEndpoint"]["State"] == "delete-in-progress"
    assert problem(lambda: delete(world, endpoint)) == ("IncorrectState", 400)
    world.clock.ahead += 61
    assert state(world, endpoint) == "delete-complete"
    gone = ("InvalidInstanceConnectEndpointId.NotFound", 400)
    assert problem(lambda: delete(world, endpoint)) == gone
    assert problem(lambda: modify(world, endpoint, PreserveClientIp=True)) == gone
    world.clock.ahead += 61
    assert problem(lambda: state(world, endpoint)) == gone
    assert endpoint not in world.region.endpoints


def test_a_new_endpoint_is_described_with_what_the_aws_cli_needs(world: Fleet) -> None:
    answer = create(world, TagSpecifications=TAGS, ClientToken="token-1")
    assert answer["ClientToken"] == "token-1"
    made = answer["InstanceConnectEndpoint"]
    endpoint = made["InstanceConnectEndpointId"]
    assert describe(world, InstanceConnectEndpointIds=[endpoint]) == [made]
    assert made["DnsName"].startswith(f"{endpoint}.")
    assert made["DnsName"].endswith(".ec2-instance-connect-endpoint.us-east-1.amazonaws.com")
    assert ".fips.ec2-instance-connect-endpoint." in made["FipsDnsName"]
    assert made["InstanceConnectEndpointArn"] == f"arn:aws:ec2:us-east-1:123456789012:{TYPE}/{endpoint}"
    assert (made["VpcId"], made["SubnetId"]) == ("vpc-00000000000000003", FREE)
    assert (made["PreserveClientIp"], made["OwnerId"]) == (False, "123456789012")
    assert len(made["NetworkInterfaceIds"]) == 1
    assert made["Tags"] == TAGS[0]["Tags"]
    assert create(world, "subnet-00000000000000004")["ClientToken"]


def test_an_endpoint_gets_the_default_group_of_its_vpc_unless_it_names_others(world: Fleet) -> None:
    delete(world)
    world.clock.ahead += 61
    assert create(world, SUBNET)["InstanceConnectEndpoint"]["SecurityGroupIds"] == ["sg-00000000000000001"]
    world.clock.ahead += 61
    new = next(one for one in world.region.endpoints.values() if one.state(world.clock()).usable and one.vpc_id == VPC)
    modify(world, new.id, SecurityGroupIds=["sg-00000000000000002", "sg-00000000000000006"])
    assert new.settings.security_groups == ("sg-00000000000000002", "sg-00000000000000006")
    foreign = problem(lambda: create(world, SecurityGroupIds=["sg-00000000000000002"]))
    assert foreign == ("InvalidGroup.NotFound", 400)


def test_a_vpc_has_one_endpoint_and_an_account_and_region_has_five(world: Fleet) -> None:
    limit = ("InstanceConnectEndpointLimitExceeded", 400)
    assert problem(lambda: create(world, "subnet-0123456789abcdef1")) == limit
    for number in (3, 4, 5):
        create(world, f"subnet-0000000000000000{number}")
    assert problem(lambda: create(world, "subnet-00000000000000006")) == limit
    world.clock.ahead += 61
    delete(world, OTHER_ENDPOINT)
    assert problem(lambda: create(world, "subnet-00000000000000006")) == limit  # until it is deleted
    world.clock.ahead += 61
    assert create(world, "subnet-00000000000000006")
    assert len(describe(world, "mallory")) == 1  # the quota of another account is its own


def test_a_client_token_makes_one_endpoint_whatever_becomes_of_it(world: Fleet) -> None:
    def again(**changed: Any) -> str:
        more = {"TagSpecifications": TAGS, "ClientToken": "t", **changed}
        return str(create(world, **more)["InstanceConnectEndpoint"]["InstanceConnectEndpointId"])

    first = again()
    assert again() == first
    assert again(PreserveClientIp=False) == first  # the default
    others: List[Dict[str, Any]] = [
        {"PreserveClientIp": True},
        {"TagSpecifications": []},
        {"subnet": "subnet-00000000000000004"},
        {"IpAddressType": "dualstack"},
    ]
    for changed in others:
        assert problem(lambda: again(**changed)) == ("IdempotentParameterMismatch", 400)  # noqa: B023
    world.clock.ahead += 61
    modify(world, first, PreserveClientIp=True)
    assert again() == first
    assert len(describe(world)) == 3
    assert problem(lambda: create(world, "subnet-00000000000000004", ClientToken="t" * 65))[0] == (
        "InvalidParameterValue"
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"subnet": "subnet-00000000000000009"}, "InvalidSubnetID.NotFound"),
        ({"subnet": "subnet-0000000000000000f"}, "InvalidSubnetID.NotFound"),  # another account's
        ({"subnet": "subnet"}, "InvalidSubnetID.Malformed"),
        ({"subnet": "*"}, "InvalidSubnetID.Malformed"),
        ({"SecurityGroupIds": ["sg-00000000000000099"]}, "InvalidGroup.NotFound"),
        ({"SecurityGroupIds": [f"sg-{n:08x}" for n in range(17)]}, "SecurityGroupsPerInterfaceLimitExceeded"),
        ({"IpAddressType": "ipv5"}, "InvalidParameterValue"),
        ({"IpAddressType": "ipv6", "PreserveClientIp": True}, "InvalidParameterCombination"),
        ({"TagSpecifications": [{"ResourceType": "instance", "Tags": []}]}, "InvalidParameterValue"),
        ({"TagSpecifications": [{"Tags": TAGS[0]["Tags"]}]}, "MissingParameter"),
        ({"Tags": [("", "x")]}, "InvalidParameterValue"),
        ({"Tags": [("k" * 129, "x")]}, "InvalidParameterValue"),
        ({"Tags": [("k", "x" * 257)]}, "InvalidParameterValue"),
        ({"Tags": [("aws:k", "x")]}, "InvalidParameterValue"),
        ({"Tags": [("k", "x"), ("k", "y")]}, "InvalidParameterValue"),
        ({"Tags": [(f"k{n}", "") for n in range(51)]}, "TagLimitExceeded"),
    ],
)
def test_arguments_with_which_no_endpoint_is_created(
    shared_world: Fleet, arguments: Dict[str, Any], error: str
) -> None:
    tags = arguments.pop("Tags", None)
    if tags is not None:
        listed = [{"Key": key, "Value": value} for key, value in tags]
        arguments["TagSpecifications"] = [{"ResourceType": TYPE, "Tags": listed}]
    assert problem(lambda: create(shared_world, **arguments)) == (error, 400)
    assert len(describe(shared_world)) == 2


def test_an_endpoint_may_have_50_tags_of_the_greatest_length(world: Fleet) -> None:
    tags = [{"Key": f"{n:02}" + "k" * 126, "Value": "v" * 256} for n in range(50)]
    made = create(world, TagSpecifications=[{"ResourceType": TYPE, "Tags": tags}])["InstanceConnectEndpoint"]
    assert made["Tags"] == tags


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, [ENDPOINT, OTHER_ENDPOINT]),
        ({"InstanceConnectEndpointIds": [OTHER_ENDPOINT]}, [OTHER_ENDPOINT]),
        ({"Filters": [{"Name": "vpc-id", "Values": [VPC]}]}, [ENDPOINT]),
        ({"Filters": [{"Name": "subnet-id", "Values": [SUBNET]}]}, [ENDPOINT]),
        ({"Filters": [{"Name": "state", "Values": ["create-complete", "update-complete"]}]},
         [ENDPOINT, OTHER_ENDPOINT]),
        ({"Filters": [{"Name": "state", "Values": ["delete-complete"]}]}, []),
        ({"Filters": [{"Name": "instance-connect-endpoint-id", "Values": ["eice-0*"]}]}, [OTHER_ENDPOINT]),
        ({"Filters": [{"Name": "tag:env", "Values": ["test"]}]}, [ENDPOINT]),
        ({"Filters": [{"Name": "tag-key", "Values": ["env"]}]}, [ENDPOINT]),
    ],
)  # fmt: skip
def test_ids_and_filters_of_endpoints(shared_world: Fleet, arguments: Dict[str, Any], found: List[str]) -> None:
    assert [one["InstanceConnectEndpointId"] for one in describe(shared_world, **arguments)] == found


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"InstanceConnectEndpointIds": ["eice-00000000000000001"]}, "InvalidInstanceConnectEndpointId.NotFound"),
        ({"InstanceConnectEndpointIds": [FOREIGN_ENDPOINT]}, "InvalidInstanceConnectEndpointId.NotFound"),
        ({"InstanceConnectEndpointIds": ["i-00000000000000001"]}, "InvalidInstanceConnectEndpointId.Malformed"),
        ({"InstanceConnectEndpointIds": ["eice-*"]}, "InvalidInstanceConnectEndpointId.Malformed"),
        ({"MaxResults": 0}, "InvalidParameterValue"),
        ({"MaxResults": 51}, "InvalidParameterValue"),
        ({"NextToken": "x"}, "InvalidNextToken"),
        ({"Filters": [{"Name": "availability-zone", "Values": ["x"]}]}, "InvalidParameterValue"),
    ],
)
def test_arguments_that_describe_endpoints_does_not_accept(
    shared_world: Fleet, arguments: Dict[str, Any], error: str
) -> None:
    assert problem(lambda: describe(shared_world, **arguments)) == (error, 400)


def test_pages_of_endpoints_together_have_each_once(shared_world: Fleet) -> None:
    paginator = shared_world.client("ec2").get_paginator("describe_instance_connect_endpoints")
    pages = [page["InstanceConnectEndpoints"] for page in paginator.paginate(PaginationConfig={"PageSize": 1})]
    assert [[one["InstanceConnectEndpointId"] for one in page] for page in pages] == [[ENDPOINT], [OTHER_ENDPOINT]]


@pytest.mark.parametrize("endpoint", [FOREIGN_ENDPOINT, "eice-00000000000000001", "eice-", "eice-*", "x" * 100])
def test_an_endpoint_that_does_not_exist_or_is_anothers_is_neither_changed_nor_deleted(
    shared_world: Fleet, endpoint: str
) -> None:
    valid = len(endpoint) == len("eice-00000000000000001")
    error = f"InvalidInstanceConnectEndpointId.{'NotFound' if valid else 'Malformed'}"
    assert problem(lambda: modify(shared_world, endpoint, PreserveClientIp=True)) == (error, 400)
    assert problem(lambda: delete(shared_world, endpoint)) == (error, 400)
    assert len(describe(shared_world, "mallory")) == 1


def test_a_client_token_may_be_used_again_when_its_endpoint_is_forgotten(world: Fleet) -> None:
    first = create(world, ClientToken="t")["InstanceConnectEndpoint"]["InstanceConnectEndpointId"]
    world.clock.ahead += 61
    delete(world, first)
    world.clock.ahead += 122
    assert create(world, ClientToken="t")["InstanceConnectEndpoint"]["InstanceConnectEndpointId"] != first
    assert first not in world.region.endpoints
