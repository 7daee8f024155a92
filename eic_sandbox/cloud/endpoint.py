# SPDX-License-Identifier: Apache-2.0
"""EC2 Instance Connect Endpoints: their settings, their names, their states over time.

Source: EC2 User Guide, "EC2 Instance Connect Endpoint"; EC2 API Reference, Ec2InstanceConnectEndpoint.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field
from typing import AbstractSet, Dict, Mapping, Optional, Set, Tuple

from .network import Address, Network
from .partitions import partition

MAX_TUNNELS = 20


class EndpointState(enum.Enum):
    """The states that an endpoint has in the sandbox, where no change of one fails."""

    CREATE_IN_PROGRESS = "create-in-progress"
    CREATE_COMPLETE = "create-complete"
    UPDATE_IN_PROGRESS = "update-in-progress"
    UPDATE_COMPLETE = "update-complete"
    DELETE_IN_PROGRESS = "delete-in-progress"
    DELETE_COMPLETE = "delete-complete"

    @property
    def usable(self) -> bool:
        """Whether the endpoint opens tunnels."""
        return self.value == "create-complete" or self.value.startswith("update-")

    @property
    def stable(self) -> bool:
        """Whether no change of the endpoint is in progress."""
        return self.value.endswith("-complete")


_FINAL = {
    EndpointState.CREATE_IN_PROGRESS: EndpointState.CREATE_COMPLETE,
    EndpointState.UPDATE_IN_PROGRESS: EndpointState.UPDATE_COMPLETE,
    EndpointState.DELETE_IN_PROGRESS: EndpointState.DELETE_COMPLETE,
}


@dataclass(frozen=True)
class EndpointSettings:
    """What CreateInstanceConnectEndpoint and ModifyInstanceConnectEndpoint set."""

    security_groups: Tuple[str, ...]
    preserve_client_ip: bool = False
    ip_address_type: str = "ipv4"


@dataclass
class Endpoint:
    """One endpoint. Times are in seconds since the epoch; `address` is that of its network interface.

    `created_with` are the settings of the request that made it; None if the world file did.
    """

    id: str
    account: str
    region: str
    subnet_id: str
    vpc_id: str
    zone: str
    address: Address
    settings: EndpointSettings
    created: float
    tags: Dict[str, str] = field(default_factory=dict)
    client_token: str = ""
    created_with: Optional[EndpointSettings] = None
    tunnels: Set[str] = field(default_factory=set)
    _state: EndpointState = EndpointState.CREATE_COMPLETE
    _final_at: float = 0.0

    def state(self, now: float) -> EndpointState:
        """The state at `now`."""
        if self._state in _FINAL and now >= self._final_at:
            return _FINAL[self._state]
        return self._state

    def begin(self, change: EndpointState, final_at: float) -> None:
        """Begin a change, which is complete at `final_at`."""
        self._state, self._final_at = change, final_at

    @property
    def arn(self) -> str:
        """The endpoint's ARN, the resource of OpenTunnel."""
        name = partition(self.region).name
        return f"arn:{name}:ec2:{self.region}:{self.account}:instance-connect-endpoint/{self.id}"

    @property
    def dns_name(self) -> str:
        """The host name to which tunnels are opened."""
        return f"{self.id}.{dns_suffix(self.region)}"

    @property
    def fips_dns_name(self) -> str:
        """The host name for clients that use FIPS endpoints."""
        return f"{self.id}.{dns_suffix(self.region, fips=True)}"

    @property
    def network_interface_id(self) -> str:
        """The id of the endpoint's network interface, made from its own."""
        return "eni-" + hashlib.sha256(self.id.encode()).hexdigest()[:17]

    def tag_keys(self) -> Dict[str, str]:
        """The condition keys of the endpoint's tags."""
        return tag_keys(self.tags)


def tag_keys(tags: Mapping[str, str]) -> Dict[str, str]:
    """The condition keys of a resource's tags."""
    return {f"{prefix}:ResourceTag/{key}": value for key, value in tags.items() for prefix in ("aws", "ec2")}


def dns_suffix(region: str, fips: bool = False) -> str:
    """What follows the endpoint's id in its host name; the same for a Region, so that one certificate fits them all."""
    word = hashlib.sha256(region.encode()).hexdigest()[:8]
    middle = "fips." if fips else ""
    return f"{word}.{middle}ec2-instance-connect-endpoint.{region}.{partition(region).domain}"


def interface_address(network: Network, taken: AbstractSet[Address]) -> Optional[Address]:
    """A free address of a subnet for an endpoint's network interface; None if there is none.

    The first four addresses of a subnet and its last are AWS's own (Amazon VPC User Guide, "Subnet sizing").
    """
    for offset in range(2, min(network.num_addresses - 4, 1000)):
        address = network[network.num_addresses - offset]
        if address not in taken:
            return address
    return None
