# SPDX-License-Identifier: Apache-2.0
"""EC2's API: DescribeInstances, DescribeVpcs, DescribeSubnets.

Names are from the service model that botocore ships (ec2, version 2016-11-15) and the EC2 API Reference.
"""

from __future__ import annotations

import re
from typing import List, Mapping, Sequence

from ..cloud.instance import Instance
from ..cloud.machine import State
from ..cloud.network import Subnet, Vpc
from ..cloud.partitions import partition
from ..cloud.region import Region
from . import filters
from .call import Call
from .errors import ServiceError
from .query_protocol import Members, Node, Query, time_of

_PAGE = range(5, 1001)
_LAUNCHED = 1_700_000_000  # seconds since the epoch: the same for every instance, since nothing depends on it


def dry_run(query: Query) -> None:
    """Raises ServiceError for a request with DryRun, once it is known to be allowed."""
    if query.flag("DryRun"):
        raise ServiceError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def named(query: Query, parameter: str, known: Mapping[str, object], prefix: str, kind: str) -> Sequence[str]:
    """The ids that a request names; all of them exist. Raises ServiceError.

    Source: EC2 API Reference, "Error codes": Malformed for what has not the form of an id, else NotFound.
    """
    ids = query.texts(parameter)
    for one in ids:
        if not re.fullmatch(f"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", one) and one not in known:
            raise ServiceError(f"Invalid{kind}.Malformed", f'Invalid id: "{one[:64]}" (expecting "{prefix}-...")')
    missing = [one for one in ids if one not in known]
    if missing:
        raise ServiceError(f"Invalid{kind}.NotFound", f"The {parameter} '{', '.join(missing[:5])}' does not exist")
    if ids and query.has("MaxResults"):
        raise ServiceError(
            "InvalidParameterCombination", f"The parameter {parameter} cannot be used with the parameter MaxResults"
        )
    return ids


def describe_instances(call: Call, query: Query) -> Members:
    """Instances in reservations of one."""
    call.require("ec2:DescribeInstances")
    region = call.region
    ids = named(query, "InstanceId", region.instances, "i", "InstanceID")
    chosen = [one for id_, one in region.instances.items() if not ids or id_ in ids]
    fields = {
        "instance-id": lambda one: [one.metadata.instance_id],
        "instance-state-name": lambda one: [one.machine.state.value],
        "instance-type": lambda one: [one.machine.instance_type],
        "private-ip-address": lambda one: [str(one.machine.private_ip)],
        "network-interface.addresses.private-ip-address": lambda one: [str(one.machine.private_ip)],
        "ip-address": lambda one: [str(one.machine.public_ip)] if one.machine.public_ip else [],
        "dns-name": lambda one: [_public_name(region, one)],
        "private-dns-name": lambda one: [_private_name(region, one)],
        "availability-zone": lambda one: [one.metadata.zone],
        "subnet-id": lambda one: [one.machine.subnet_id],
        "vpc-id": lambda one: [region.vpc_of(one).id],
        "instance.group-id": lambda one: list(one.machine.security_groups),
    }
    found = filters.matching(query, chosen, fields, lambda one: one.machine.tags)
    shown, token = filters.page(query, found, _PAGE)
    dry_run(query)
    return {"reservationSet": [_reservation(region, one) for one in shown], "nextToken": token}


def _reservation(region: Region, instance: Instance) -> Members:
    reservation = "r-" + instance.metadata.instance_id[2:]
    return {"reservationId": reservation, "ownerId": region.account, "instancesSet": [_instance(region, instance)]}


def _instance(region: Region, instance: Instance) -> Members:
    machine = instance.machine
    running = machine.state is State.RUNNING
    groups: List[Node] = [
        {"groupId": one, "groupName": region.groups[one].name}
        for one in machine.security_groups
        if one in region.groups
    ]
    return {
        "instanceId": instance.metadata.instance_id,
        "imageId": "ami-0123456789abcdef0",
        "instanceState": {"code": machine.state.code, "name": machine.state.value},
        "privateDnsName": _private_name(region, instance),
        "dnsName": _public_name(region, instance) if running else "",
        "instanceType": machine.instance_type,
        "launchTime": time_of(_LAUNCHED),
        "placement": {"availabilityZone": instance.metadata.zone, "tenancy": "default"},
        "monitoring": {"state": "disabled"},
        "subnetId": machine.subnet_id,
        "vpcId": region.vpc_of(instance).id,
        "privateIpAddress": str(machine.private_ip),
        "ipAddress": str(machine.public_ip) if machine.public_ip and running else None,
        "ipv6Address": str(machine.ipv6) if machine.ipv6 else None,
        "groupSet": groups,
        "tagSet": filters.tag_set(machine.tags),
    }


def _private_name(region: Region, instance: Instance) -> str:
    return f"ip-{str(instance.machine.private_ip).replace('.', '-')}.{region.private_domain}"


def _public_name(region: Region, instance: Instance) -> str:
    address = instance.machine.public_ip
    label = "compute-1" if region.name == "us-east-1" else f"{region.name}.compute"  # as us-east-1 was the first
    return f"ec2-{str(address).replace('.', '-')}.{label}.{partition(region.name).domain}" if address else ""


def describe_vpcs(call: Call, query: Query) -> Members:
    """VPCs."""
    call.require("ec2:DescribeVpcs")
    region = call.region
    ids = named(query, "VpcId", region.vpcs, "vpc", "VpcID")
    chosen = [one for one in region.vpcs.values() if not ids or one.id in ids]
    fields = {
        "vpc-id": lambda one: [one.id],
        "cidr": lambda one: [str(one.networks[0])],
        "cidr-block-association.cidr-block": lambda one: list(map(str, one.networks)),
        "owner-id": lambda _: [region.account],
        "state": lambda _: ["available"],
    }
    shown, token = filters.page(query, filters.matching(query, chosen, fields, lambda one: one.tags), _PAGE)
    dry_run(query)
    return {"vpcSet": [_vpc(region, one) for one in shown], "nextToken": token}


def _vpc(region: Region, vpc: Vpc) -> Members:
    blocks: List[Node] = [
        {"cidrBlock": str(network), "associationId": f"vpc-cidr-assoc-{number:017x}"}
        for number, network in enumerate(vpc.networks)
        if network.version == 4
    ]
    return {
        "vpcId": vpc.id,
        "ownerId": region.account,
        "state": "available",
        "cidrBlock": str(vpc.networks[0]),
        "cidrBlockAssociationSet": blocks,
        "instanceTenancy": "default",
        "isDefault": False,
        "tagSet": filters.tag_set(vpc.tags),
    }


def describe_subnets(call: Call, query: Query) -> Members:
    """Subnets."""
    call.require("ec2:DescribeSubnets")
    region = call.region
    ids = named(query, "SubnetId", region.subnets, "subnet", "SubnetID")
    chosen = [one for one in region.subnets.values() if not ids or one.id in ids]
    fields = {
        "subnet-id": lambda one: [one.id],
        "vpc-id": lambda one: [one.vpc_id],
        "availability-zone": lambda one: [one.zone],
        "cidr-block": lambda one: [str(one.network)],
        "owner-id": lambda _: [region.account],
        "state": lambda _: ["available"],
    }
    shown, token = filters.page(query, filters.matching(query, chosen, fields, lambda one: one.tags), _PAGE)
    dry_run(query)
    return {"subnetSet": [_subnet(region, one) for one in shown], "nextToken": token}


def _subnet(region: Region, subnet: Subnet) -> Members:
    return {
        "subnetId": subnet.id,
        "subnetArn": region.arn(f"subnet/{subnet.id}"),
        "vpcId": subnet.vpc_id,
        "ownerId": region.account,
        "state": "available",
        "cidrBlock": str(subnet.network),
        "availabilityZone": subnet.zone,
        "availableIpAddressCount": max(subnet.network.num_addresses - 5, 0),
        "mapPublicIpOnLaunch": False,
        "tagSet": filters.tag_set(subnet.tags),
    }
