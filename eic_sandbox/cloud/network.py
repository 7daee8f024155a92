# SPDX-License-Identifier: Apache-2.0
"""VPCs, subnets and security groups, and which connections the groups allow.

Source: Amazon VPC User Guide, "Security group rules". Groups are stateful: only the direction in which a connection is
opened counts. What no rule permits is denied.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Iterable, Mapping, Tuple, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Tags = Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """TCP connections to `ports` from (or to) addresses in `networks` and interfaces with one of `groups`."""

    ports: range
    networks: Tuple[Network, ...] = ()
    groups: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Subnet:
    """An availability zone's part of a VPC."""

    id: str
    vpc_id: str
    network: Network
    zone: str
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True)
class Vpc:
    """A virtual network."""

    id: str
    networks: Tuple[Network, ...]
    tags: Tags = field(default_factory=dict)

    def has(self, address: Address) -> bool:
        """Whether the address belongs to the VPC."""
        return any(address in network for network in self.networks if network.version == address.version)


@dataclass(frozen=True)
class SecurityGroup:
    """The rules for the network interfaces that have the group: `ingress` to them, `egress` from them."""

    id: str
    vpc_id: str
    name: str
    ingress: Tuple[Rule, ...] = ()
    egress: Tuple[Rule, ...] = ()
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True)
class Interface:
    """One end of a connection: its address, and the groups of the interface that it belongs to."""

    address: Address
    groups: Tuple[SecurityGroup, ...] = ()


def allows_ingress(opener: Interface, target: Interface, port: int) -> bool:
    """Whether `target` accepts a TCP connection from `opener` to `port`."""
    return _permits((rule for group in target.groups for rule in group.ingress), opener, port)


def allows_egress(opener: Interface, target: Interface, port: int) -> bool:
    """Whether the groups of `opener` allow it to open a TCP connection to `target`."""
    return _permits((rule for group in opener.groups for rule in group.egress), target, port)


def _permits(rules: Iterable[Rule], peer: Interface, port: int) -> bool:
    peer_groups = {group.id for group in peer.groups}
    return any(
        port in rule.ports
        and (
            any(peer.address in network for network in rule.networks if network.version == peer.address.version)
            or not peer_groups.isdisjoint(rule.groups)
        )
        for rule in rules
    )
