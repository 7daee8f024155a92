# SPDX-License-Identifier: Apache-2.0
"""What one account has in one Region: networks, instances, endpoints."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

from .endpoint import Endpoint, EndpointSettings, EndpointState, interface_address
from .instance import Instance
from .network import Address, Interface, SecurityGroup, Subnet, Vpc
from .partitions import partition

MAX_ENDPOINTS = 5  # an account and Region (EC2 User Guide, "Quotas for EC2 Instance Connect Endpoint")
_DELETED_SHOWN = 60  # seconds for which a deleted endpoint is still described


class ChangeRefused(Exception):
    """EC2 refuses a change: the error code of its API, and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass
class Region:
    """`delay` is the number of seconds that a change of an endpoint takes."""

    account: str
    name: str
    vpcs: Dict[str, Vpc] = field(default_factory=dict)
    subnets: Dict[str, Subnet] = field(default_factory=dict)
    groups: Dict[str, SecurityGroup] = field(default_factory=dict)
    instances: Dict[str, Instance] = field(default_factory=dict)
    endpoints: Dict[str, Endpoint] = field(default_factory=dict)
    serial_console: bool = False
    delay: float = 2.0

    def arn(self, resource: str) -> str:
        """The ARN of a resource of EC2 here, such as `instance/i-...`."""
        return f"arn:{partition(self.name).name}:ec2:{self.name}:{self.account}:{resource}"

    @property
    def private_domain(self) -> str:
        """What follows the label of an instance in its private DNS name (EC2 User Guide, "Instance hostname types")."""
        return "ec2.internal" if self.name == "us-east-1" else f"{self.name}.compute.internal"

    def vpc_of(self, instance: Instance) -> Vpc:
        """The VPC of an instance."""
        return self.vpcs[self.subnets[instance.machine.subnet_id].vpc_id]

    def interface(self, instance: Instance, address: str) -> Interface:
        """The network interface of an instance, with one of its addresses."""
        machine = instance.machine
        found = machine.ipv6 if machine.ipv6 is not None and str(machine.ipv6) == address else machine.private_ip
        return Interface(found, self._groups(machine.security_groups))

    def endpoint_interface(self, endpoint: Endpoint, version: int) -> Interface:
        """The network interface of an endpoint, with its address of an IP version.

        Subnets have one network here: the address of the other version is one of the VPC's.
        """
        address = endpoint.address
        networks = (one for one in self.vpcs[endpoint.vpc_id].networks if one.version == version)
        if address.version != version:
            address = next((interface_address(one, set()) for one in networks), None) or address
        return Interface(address, self._groups(endpoint.settings.security_groups))

    def _groups(self, ids: Tuple[str, ...]) -> Tuple[SecurityGroup, ...]:
        return tuple(self.groups[one] for one in ids if one in self.groups)

    def instance_at(self, vpc_id: str, address: str) -> Optional[Instance]:
        """The instance of the VPC that has this private address."""
        return next(
            (
                instance
                for instance in self.instances.values()
                if instance.machine.has_address(address) and self.vpc_of(instance).id == vpc_id
            ),
            None,
        )

    def described_endpoints(self, now: float) -> List[Endpoint]:
        """Every endpoint, also those that were deleted in the last minute."""
        self._drop_deleted(now)
        return list(self.endpoints.values())

    def _drop_deleted(self, now: float) -> None:
        old = [
            one for one in self.endpoints.values() if one.state(now - _DELETED_SHOWN) is EndpointState.DELETE_COMPLETE
        ]
        for endpoint in old:
            del self.endpoints[endpoint.id]

    def endpoint(self, endpoint_id: str, now: float) -> Endpoint:
        """The endpoint with this id. Raises ChangeRefused for an unknown id, or that of a deleted endpoint."""
        found = self.endpoints.get(endpoint_id)
        if found is None or found.state(now) is EndpointState.DELETE_COMPLETE:
            raise ChangeRefused(
                "InvalidInstanceConnectEndpointId.NotFound",
                f"The instance connect endpoint ID '{endpoint_id}' does not exist",
            )
        return found

    def create_endpoint(
        self, subnet_id: str, settings: EndpointSettings, tags: Dict[str, str], client_token: str, now: float
    ) -> Endpoint:
        """A new endpoint, or the one that this client token made. Raises ChangeRefused.

        A client token is compared with the request that made the endpoint, whatever became of the endpoint since (EC2
        API Reference, "Ensuring idempotency").
        """
        subnet = self.subnets[subnet_id]
        settings = self.complete_settings(settings, subnet.vpc_id)
        self._drop_deleted(now)
        same_token = (one for one in self.endpoints.values() if client_token and one.client_token == client_token)
        earlier = next(same_token, None)
        if earlier is not None:
            if (earlier.subnet_id, earlier.created_with, earlier.tags) != (subnet_id, settings, tags):
                raise ChangeRefused(
                    "IdempotentParameterMismatch",
                    "The client token was already used with other parameters of the request",
                )
            return earlier
        self._require_room(subnet, now)
        address = self._free_address(subnet)
        made = Endpoint(
            id=f"eice-{secrets.token_hex(9)[:17]}",
            account=self.account,
            region=self.name,
            subnet_id=subnet_id,
            vpc_id=subnet.vpc_id,
            zone=subnet.zone,
            address=address,
            settings=settings,
            created=now,
            tags=tags,
            client_token=client_token or secrets.token_hex(16),
            created_with=settings,
        )
        made.begin(EndpointState.CREATE_IN_PROGRESS, now + self.delay)
        self.endpoints[made.id] = made
        return made

    def _free_address(self, subnet: Subnet) -> Address:
        taken = {endpoint.address for endpoint in self.endpoints.values()}
        taken |= {instance.machine.private_ip for instance in self.instances.values()}
        address = interface_address(subnet.network, taken)
        if address is None:
            raise ChangeRefused("InsufficientFreeAddressesInSubnet", f"The subnet '{subnet.id}' has no free address")
        return address

    def _require_room(self, subnet: Subnet, now: float) -> None:
        there = [one for one in self.endpoints.values() if one.state(now) is not EndpointState.DELETE_COMPLETE]
        if any(endpoint.vpc_id == subnet.vpc_id for endpoint in there):
            raise ChangeRefused(
                "InstanceConnectEndpointLimitExceeded",
                f"The VPC '{subnet.vpc_id}' has an instance connect endpoint already; the limit of a VPC is 1",
            )
        if len(there) >= MAX_ENDPOINTS:
            raise ChangeRefused(
                "InstanceConnectEndpointLimitExceeded",
                f"The limit of {MAX_ENDPOINTS} instance connect endpoints of the account in {self.name} is reached",
            )

    def modify_endpoint(self, endpoint: Endpoint, settings: EndpointSettings, now: float) -> None:
        """Raises ChangeRefused while another change is in progress."""
        self._require_stable(endpoint, now)
        endpoint.settings = self.complete_settings(settings, endpoint.vpc_id)
        endpoint.begin(EndpointState.UPDATE_IN_PROGRESS, now + self.delay)

    def delete_endpoint(self, endpoint: Endpoint, now: float) -> None:
        """Raises ChangeRefused while another change is in progress."""
        self._require_stable(endpoint, now)
        endpoint.begin(EndpointState.DELETE_IN_PROGRESS, now + self.delay)

    @staticmethod
    def _require_stable(endpoint: Endpoint, now: float) -> None:
        state = endpoint.state(now)
        if not state.stable:
            raise ChangeRefused(
                "IncorrectState", f"The instance connect endpoint '{endpoint.id}' is in state {state.value}"
            )

    def complete_settings(self, settings: EndpointSettings, vpc_id: str) -> EndpointSettings:
        """With the VPC's default group where none is named. Raises ChangeRefused for a group of another VPC."""
        for group in settings.security_groups:
            if group not in self.groups or self.groups[group].vpc_id != vpc_id:
                raise ChangeRefused(
                    "InvalidGroup.NotFound", f"The security group '{group}' does not exist in VPC '{vpc_id}'"
                )
        if settings.preserve_client_ip and settings.ip_address_type != "ipv4":
            raise ChangeRefused(
                "InvalidParameterCombination", "PreserveClientIp is possible with IpAddressType ipv4 only"
            )
        if settings.security_groups:
            return settings
        default = [one.id for one in self.groups.values() if one.vpc_id == vpc_id and one.name == "default"]
        return EndpointSettings(tuple(default[:1]), settings.preserve_client_ip, settings.ip_address_type)
