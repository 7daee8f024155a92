# SPDX-License-Identifier: Apache-2.0
"""DescribeInstances, DescribeVpcs and DescribeSubnets: ids, filters, pages, and what is refused."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from ..fleet import Fleet
from ..fleet_world import FIRST, FOREIGN, SECOND, STOPPED, SUBNET, THIRD, VPC
from .calls import problem

IN_B = "i-0000000000000000b"
ALL = [FIRST, SECOND, THIRD, STOPPED, IN_B]


def instances(world: Fleet, who: str = "admin", **arguments: Any) -> List[Dict[str, Any]]:
    answer = world.client("ec2", who).describe_instances(**arguments)
    return [one for reservation in answer["Reservations"] for one in reservation["Instances"]]


def filtered(name: str, *values: str) -> Dict[str, Any]:
    return {"Name": name, "Values": list(values)}


def test_an_instance_is_described_with_what_the_aws_cli_needs(shared_world: Fleet) -> None:
    (found,) = instances(shared_world, InstanceIds=[FIRST])
    assert found["State"] == {"Code": 16, "Name": "running"}
    assert (found["VpcId"], found["SubnetId"]) == (VPC, SUBNET)
    assert (found["PrivateIpAddress"], found["PublicIpAddress"], found["Ipv6Address"]) == (
        "10.0.1.0", "203.0.113.5", "fd00:1::10",
    )  # fmt: skip
    assert found["PrivateDnsName"] == "ip-10-0-1-0.ec2.internal"
    assert found["PublicDnsName"] == "ec2-203-0-113-5.compute-1.amazonaws.com"
    assert found["Placement"]["AvailabilityZone"] == "us-east-1a"
    assert found["SecurityGroups"] == [{"GroupId": "sg-00000000000000003", "GroupName": "from-the-group"}]
    assert {"Key": "Name", "Value": "first"} in found["Tags"]


def test_an_instance_that_does_not_run_has_no_public_address(world: Fleet) -> None:
    assert "PublicIpAddress" not in instances(world, InstanceIds=[STOPPED])[0]
    world.sandbox.cloud.locate(FIRST)[1].machine.state = world.instance(STOPPED).machine.state  # type: ignore[index]
    (found,) = instances(world, InstanceIds=[FIRST])
    assert "PublicIpAddress" not in found
    assert found["PublicDnsName"] == ""


def test_an_account_sees_its_own_instances_in_the_region_of_the_request_only(shared_world: Fleet) -> None:
    assert [one["InstanceId"] for one in instances(shared_world)] == ALL
    assert [one["InstanceId"] for one in instances(shared_world, "mallory")] == [FOREIGN]
    assert shared_world.client("ec2", region="us-west-2").describe_instances()["Reservations"] == []
    foreign = problem(lambda: instances(shared_world, "mallory", InstanceIds=[FIRST]))
    assert foreign == ("InvalidInstanceID.NotFound", 400)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([filtered("instance-id", FIRST, SECOND)], [FIRST, SECOND]),
        ([filtered("instance-state-name", "running")], [FIRST, SECOND, THIRD, IN_B]),
        ([filtered("instance-state-name", "st*")], [STOPPED]),
        ([filtered("instance-type", "t?.micro")], ALL),
        ([filtered("instance-type", "t2.*")], [SECOND]),
        ([filtered("private-ip-address", "10.0.1.1")], [SECOND]),
        ([filtered("network-interface.addresses.private-ip-address", "10.0.1.2")], [THIRD]),
        ([filtered("ip-address", "203.0.113.5")], [FIRST]),
        ([filtered("dns-name", "ec2-203-0-113-5.*")], [FIRST]),
        ([filtered("private-dns-name", "ip-10-0-1-1.ec2.internal")], [SECOND]),
        ([filtered("availability-zone", "us-east-1a")], ALL),
        ([filtered("subnet-id", SUBNET)], ALL[:4]),
        ([filtered("vpc-id", "vpc-0000000000000000b")], [IN_B]),
        ([filtered("instance.group-id", "sg-00000000000000003")], ALL[:4]),
        ([filtered("tag:Name", "first")], [FIRST]),
        ([filtered("tag:Name", "FIRST")], []),
        ([filtered("tag-key", "tag-key")], [FIRST, SECOND]),
        ([filtered("tag-key", "tag-key"), filtered("tag:Name", "*")], [FIRST]),
        ([filtered("instance-id", "i-[01]*")], []),
        ([filtered("instance-id", ".*")], []),
        ([filtered("instance-id")], []),
    ],
)
def test_filters_of_instances(shared_world: Fleet, filters: List[Dict[str, Any]], found: List[str]) -> None:
    assert [one["InstanceId"] for one in instances(shared_world, Filters=filters)] == found


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"InstanceIds": ["i-00000000000000002"]}, "InvalidInstanceID.NotFound"),
        ({"InstanceIds": [FIRST, "i-00000000000000002"]}, "InvalidInstanceID.NotFound"),
        ({"InstanceIds": ["i-xyz"]}, "InvalidInstanceID.Malformed"),
        ({"InstanceIds": [""]}, "InvalidInstanceID.Malformed"),
        ({"InstanceIds": [FIRST.upper()]}, "InvalidInstanceID.Malformed"),
        ({"InstanceIds": [FIRST], "MaxResults": 5}, "InvalidParameterCombination"),
        ({"MaxResults": 4}, "InvalidParameterValue"),
        ({"MaxResults": 1001}, "InvalidParameterValue"),
        ({"MaxResults": "5x"}, "InvalidParameterValue"),
        ({"NextToken": "nonsense"}, "InvalidNextToken"),
        ({"NextToken": "\u00e4"}, "InvalidNextToken"),
        ({"Filters": [filtered("colour", "red")]}, "InvalidParameterValue"),
        ({"Filters": [filtered("instance-id", "*a" * 6)]}, "InvalidParameterValue"),
        ({"Filters": [filtered("instance-id", "x")] * 51}, "FilterLimitExceeded"),
        ({"Filters": [filtered("instance-id", *map(str, range(201)))]}, "FilterLimitExceeded"),
        ({"Filters": [{"Values": ["x"]}]}, "MissingParameter"),
    ],
)
def test_arguments_that_describe_instances_does_not_accept(
    shared_world: Fleet, arguments: Dict[str, Any], error: str
) -> None:
    assert problem(lambda: instances(shared_world, **arguments)) == (error, 400)


def test_pages_of_instances_together_have_each_once(world: Fleet) -> None:
    region = world.region
    for number in range(10):  # the same machine under more ids
        region.instances[f"i-{number:08x}"] = region.instances[FIRST]
    pages = list(world.client("ec2").get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 6}))
    assert [len(page["Reservations"]) for page in pages] == [6, 6, 3]
    assert ["NextToken" in page for page in pages] == [True, True, False]


@pytest.mark.parametrize(
    ("operation", "arguments", "key", "found"),
    [
        ("describe_vpcs", {"VpcIds": [VPC]}, "Vpcs", [VPC]),
        ("describe_vpcs", {"Filters": [filtered("cidr", "10.1.0.0/16")]}, "Vpcs", ["vpc-0000000000000000b"]),
        ("describe_vpcs", {"Filters": [filtered("cidr-block-association.cidr-block", "fd00:*")]}, "Vpcs", [VPC]),
        ("describe_vpcs", {"Filters": [filtered("tag:Name", "main")]}, "Vpcs", [VPC]),
        ("describe_vpcs", {"Filters": [filtered("vpc-id", VPC), filtered("state", "pending")]}, "Vpcs", []),
        ("describe_vpcs", {"Filters": [filtered("owner-id", "210987654321")]}, "Vpcs", []),
        ("describe_subnets", {"SubnetIds": [SUBNET]}, "Subnets", [SUBNET]),
        ("describe_subnets", {"Filters": [filtered("vpc-id", VPC)]}, "Subnets", [SUBNET, "subnet-0123456789abcdef1"]),
        ("describe_subnets", {"Filters": [filtered("availability-zone", "*b")]}, "Subnets",
         ["subnet-0123456789abcdef1"]),
        ("describe_subnets", {"Filters": [filtered("cidr-block", "10.0.0.0/20")]}, "Subnets", [SUBNET]),
        ("describe_subnets", {"Filters": [filtered("tag:tier", "private")]}, "Subnets", [SUBNET]),
        ("describe_subnets", {"Filters": [filtered("subnet-id", "subnet-*"), filtered("owner-id", "x")]}, "Subnets",
         []),
    ],
)  # fmt: skip
def test_ids_and_filters_of_networks(
    shared_world: Fleet, operation: str, arguments: Dict[str, Any], key: str, found: List[str]
) -> None:
    answer = getattr(shared_world.client("ec2"), operation)(**arguments)
    assert [one[f"{key[:-1]}Id"] for one in answer[key]] == found


@pytest.mark.parametrize(
    ("operation", "arguments", "error"),
    [
        ("describe_vpcs", {"VpcIds": ["vpc-00000001"]}, "InvalidVpcID.NotFound"),
        ("describe_vpcs", {"VpcIds": ["vpc"]}, "InvalidVpcID.Malformed"),
        ("describe_subnets", {"SubnetIds": ["subnet-00000001"]}, "InvalidSubnetID.NotFound"),
        ("describe_subnets", {"SubnetIds": [VPC]}, "InvalidSubnetID.Malformed"),
    ],
)
def test_ids_of_networks_that_do_not_exist_are_refused(
    shared_world: Fleet, operation: str, arguments: Dict[str, Any], error: str
) -> None:
    assert problem(lambda: getattr(shared_world.client("ec2"), operation)(**arguments)) == (error, 400)


@pytest.mark.parametrize(
    "operation",
    ["describe_instances", "describe_vpcs", "describe_subnets", "describe_instance_connect_endpoints"],
)
def test_a_dry_run_says_whether_the_caller_may_describe(shared_world: Fleet, operation: str) -> None:
    allowed = problem(lambda: getattr(shared_world.client("ec2"), operation)(DryRun=True))
    assert allowed == ("DryRunOperation", 412)
    for dry_run in (True, False):
        denied = problem(lambda: getattr(shared_world.client("ec2", "bob"), operation)(DryRun=dry_run))  # noqa: B023
        assert denied == ("UnauthorizedOperation", 403)


def test_permission_to_describe_one_kind_is_none_for_another_and_is_for_all_resources_only(
    shared_world: Fleet,
) -> None:
    own = f"arn:aws:ec2:us-east-1:123456789012:instance/{FIRST}"
    shared_world.attach(
        "alice",
        {"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"},
        {"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": own},
    )
    ec2 = shared_world.client("ec2", "alice")
    assert ec2.describe_vpcs()["Vpcs"]
    assert problem(lambda: ec2.describe_instances(InstanceIds=[FIRST])) == ("UnauthorizedOperation", 403)
    assert problem(ec2.describe_subnets) == ("UnauthorizedOperation", 403)
