# SPDX-License-Identifier: Apache-2.0
"""The cloud without a world file: one account, a user who may do everything, an instance, an endpoint."""

from __future__ import annotations

import ipaddress

from ..cloud.cloud import Cloud
from ..cloud.directory import Directory
from ..cloud.endpoint import Endpoint, EndpointSettings, interface_address
from ..cloud.instance import Instance
from ..cloud.machine import SUBNET_ID
from ..cloud.network import Rule, SecurityGroup, Subnet, Vpc
from ..cloud.partitions import partition
from ..cloud.principals import Account, Credentials, User
from ..cloud.region import Region
from ..iam.policy import parse

ACCOUNT = "123456789012"
ACCESS_KEY_ID = "AKIASANDBOXEXAMPLE00"
SECRET = "sandbox-secret-access-key"
USER = "sandbox"
ENDPOINT_ID = "eice-0123456789abcdef0"
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def single(instance: Instance) -> Cloud:
    """The cloud around one instance."""
    metadata = instance.metadata
    account = Account(ACCOUNT, partition(metadata.region).name)
    directory = Directory()
    everything = parse(_EVERYTHING, "everything")
    directory.policies[everything.name] = everything
    user = User(account, USER, "AIDASANDBOXEXAMPLE00", policies={everything.name: everything})
    directory.users.append(user)
    directory.add(Credentials(ACCESS_KEY_ID, SECRET, user))
    cloud = Cloud(directory)
    cloud.add(_network_of(instance, account.id))
    return cloud


def _network_of(instance: Instance, account: str) -> Region:
    metadata, machine = instance.metadata, instance.machine
    region = Region(account, metadata.region)
    everywhere = Rule(range(65536), (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
    vpc = Vpc("vpc-0123456789abcdef0", (ipaddress.ip_network("10.0.0.0/16"),))
    subnet = Subnet(SUBNET_ID, vpc.id, ipaddress.ip_network("10.0.0.0/24"), metadata.zone)
    region.vpcs[vpc.id], region.subnets[subnet.id] = vpc, subnet
    for group_id in machine.security_groups:
        region.groups[group_id] = SecurityGroup(group_id, vpc.id, "default", (everywhere,), (everywhere,))
    region.instances[metadata.instance_id] = instance
    address = interface_address(subnet.network, {machine.private_ip})
    assert address is not None
    endpoint = Endpoint(
        ENDPOINT_ID, account, metadata.region, subnet.id, vpc.id, metadata.zone, address,
        EndpointSettings(machine.security_groups), 0.0,
    )  # fmt: skip
    region.endpoints[endpoint.id] = endpoint
    return region
