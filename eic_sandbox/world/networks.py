# SPDX-License-Identifier: Apache-2.0
"""VPCs, subnets, security groups, instances and endpoints of a world file."""

from __future__ import annotations

import ipaddress
import re
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from ..cloud.endpoint import Endpoint, EndpointSettings, interface_address
from ..cloud.instance import Instance
from ..cloud.machine import Machine, State
from ..cloud.network import Address, Network, Rule, SecurityGroup, Subnet, Vpc
from ..cloud.region import MAX_ENDPOINTS, ChangeRefused, Region
from ..cloud.text import listed
from ..imds.metadata import InstanceMetadata
from .document import Value
from .identities import tags
from .ids import Ids

NewInstance = Callable[[InstanceMetadata, Machine, Optional[Tuple[str, int]]], Instance]
"""Makes an instance; the last argument is where its IMDS listens."""

_ADD_CIDRS = "Add cidrs: [10.0.0.0/16]."
_PORTS = r"[0-9]{1,5}(-[0-9]{1,5})?"
_TYPE = r"[a-z0-9-]+\.[a-z0-9-]+"
_MAX_NETWORKS = 50  # of a VPC (Amazon VPC User Guide, "Amazon VPC quotas")


class Networks:
    """Fills a Region. `domain` is that of its partition. After the last VPC, call `require_known_groups`."""

    def __init__(self, region: Region, domain: str, new_instance: NewInstance, ids: Ids) -> None:
        self._region = region
        self._domain = domain
        self._new_instance = new_instance
        self._ids = ids
        self._peers: List[Value] = []  # the ids of groups in rules

    def add_vpc(self, vpc_id: str, value: Value) -> None:
        """A VPC with its subnets and security groups."""
        self._ids.take(value, vpc_id, "vpc")
        fields = value.fields("cidrs", "tags", "subnets", "security_groups")
        cidrs = fields.required("cidrs", _ADD_CIDRS)
        networks = tuple(item.network() for item in cidrs.items())
        if not networks:
            value.fail("cidrs is missing", _ADD_CIDRS)
        if len(networks) > _MAX_NETWORKS:
            cidrs.fail("too many networks", f"Use at most {_MAX_NETWORKS}.")
        vpc = Vpc(vpc_id, networks, tags(fields))
        self._region.vpcs[vpc_id] = vpc
        for subnet_id, subnet in fields.entries("subnets"):
            self._add_subnet(vpc, subnet_id, subnet)
        for group_id, group in fields.entries("security_groups"):
            self._add_group(vpc, group_id, group)

    def _add_subnet(self, vpc: Vpc, subnet_id: str, value: Value) -> None:
        self._ids.take(value, subnet_id, "subnet")
        fields = value.fields("cidr", "zone", "tags")
        cidr = fields.required("cidr")
        network = cidr.network()
        if not any(one.version == network.version and network.subnet_of(one) for one in vpc.networks):  # type: ignore[arg-type] # of one version
            cidr.fail(f"{network} is outside the VPC", f"Use a part of {', '.join(map(str, vpc.networks))}.")
        zone = fields.read("zone", f"{self._region.name}a", self._zone)
        self._region.subnets[subnet_id] = Subnet(subnet_id, vpc.id, network, zone, tags(fields))

    def _zone(self, value: Value) -> str:
        name = self._region.name
        return value.text(re.escape(name) + "[a-z0-9-]{1,16}", f"an availability zone of {name}, such as {name}a")

    def _add_group(self, vpc: Vpc, group_id: str, value: Value) -> None:
        self._ids.take(value, group_id, "sg")
        fields = value.fields("name", "ingress", "egress", "tags")
        self._region.groups[group_id] = SecurityGroup(
            group_id,
            vpc.id,
            fields.read("name", group_id, lambda name: name.text(".{1,255}", "text of 1 to 255 characters")),
            tuple(self._rule(item, "sources") for item in fields.items("ingress")),
            tuple(self._rule(item, "destinations") for item in fields.items("egress")),
            tags(fields),
        )

    def add_instance(self, instance_id: str, value: Value) -> None:
        """An instance."""
        self._ids.take_instance(value, instance_id)
        fields = value.fields(
            "subnet", "state", "private_ip", "ipv6", "public_ip", "security_groups", "type", "tags", "imds", "servers"
        )
        subnet = self._subnet(fields.required("subnet"))
        private = self._private_ip(fields.required("private_ip"), subnet)
        ipv6 = fields.read("ipv6", None, lambda address: self._ipv6(address, subnet))
        public = fields.read("public_ip", None, _public_ip)
        machine = Machine(
            subnet.id,
            private,
            fields.read("state", State.RUNNING, _state),
            ipv6,
            public,
            self._groups(fields.items("security_groups"), subnet.vpc_id),
            fields.read("type", "t3.micro", lambda kind: kind.text(_TYPE, "an instance type, such as t3.micro")),
            tags(fields),
            _servers(fields.entries("servers")),
        )
        metadata = InstanceMetadata(instance_id, self._region.name, subnet.zone, self._domain)
        listen = fields.read("imds", None, Value.listener)
        self._region.instances[instance_id] = self._new_instance(metadata, machine, listen)

    def _private_ip(self, value: Value, subnet: Subnet) -> ipaddress.IPv4Address:
        address = value.address()
        if not isinstance(address, ipaddress.IPv4Address) or address not in subnet.network:
            value.fail(f"{address} is not an IPv4 address of {subnet.network}", "Use one of the subnet.")
        self._require_free(value, address, subnet)
        return address

    def _ipv6(self, value: Value, subnet: Subnet) -> ipaddress.IPv6Address:
        address = value.address()
        if not isinstance(address, ipaddress.IPv6Address):
            value.fail(f"not an IPv6 address ({address})", "Use an IPv6 address.")
        if not self._region.vpcs[subnet.vpc_id].has(address):
            value.fail(f"{address} is outside the VPC", f"Use an address of a network of {subnet.vpc_id}.")
        self._require_free(value, address, subnet)
        return address

    def _require_free(self, value: Value, address: Address, subnet: Subnet) -> None:
        other = self._region.instance_at(subnet.vpc_id, str(address))
        if other is not None:
            value.fail(f"{address} is that of {other.metadata.instance_id}", "Use another address.")

    def add_endpoint(self, endpoint_id: str, value: Value, now: float) -> None:
        """An endpoint that is complete from the start."""
        self._ids.take(value, endpoint_id, "eice")
        fields = value.fields(
            "subnet", "security_groups", "preserve_client_ip", "ip_address_type", "tags", "private_ip"
        )
        subnet = self._subnet(fields.required("subnet"))
        region = self._region
        if any(one.vpc_id == subnet.vpc_id for one in region.endpoints.values()):
            value.fail(f"{subnet.vpc_id} has an endpoint already", "Remove one: a VPC has at most one.")
        if len(region.endpoints) >= MAX_ENDPOINTS:
            value.fail("too many endpoints", f"Use at most {MAX_ENDPOINTS} in an account and Region.")
        settings = EndpointSettings(
            self._groups(fields.items("security_groups"), subnet.vpc_id),
            fields.read("preserve_client_ip", False, Value.flag),
            fields.read(
                "ip_address_type", "ipv4", lambda kind: kind.text("ipv4|ipv6|dualstack", "ipv4, ipv6 or dualstack")
            ),
        )
        try:
            settings = region.complete_settings(settings, subnet.vpc_id)
        except ChangeRefused as refused:
            value.fail(refused.message, "Correct the settings.")
        address = self._endpoint_address(value, fields.get("private_ip"), subnet)
        region.endpoints[endpoint_id] = Endpoint(
            endpoint_id, region.account, region.name, subnet.id, subnet.vpc_id, subnet.zone, address, settings, now,
            tags(fields),
        )  # fmt: skip

    def _endpoint_address(self, value: Value, given: Optional[Value], subnet: Subnet) -> Address:
        if given is not None:
            address = given.address()
            if address not in subnet.network:
                given.fail(f"{address} is outside {subnet.network}", "Use an address of the subnet.")
            self._require_free(given, address, subnet)
            return address
        taken = {instance.machine.private_ip for instance in self._region.instances.values()}
        free = interface_address(subnet.network, taken)
        if free is None:
            value.fail(f"{subnet.network} has no free address", "Use a larger subnet.")
        return free

    def _subnet(self, value: Value) -> Subnet:
        subnet_id = value.text()
        if subnet_id not in self._region.subnets:
            known = listed(self._region.subnets)
            value.fail(f"unknown subnet ({subnet_id[:64]!r})", f"Add it to a VPC of this Region, which has: {known}.")
        return self._region.subnets[subnet_id]

    def _groups(self, items: Sequence[Value], vpc_id: str) -> Tuple[str, ...]:
        found: List[str] = []
        for item in items:
            group = self._region.groups.get(item.text())
            if group is None or group.vpc_id != vpc_id:
                item.fail(f"unknown security group ({item.text()[:64]!r})", f"Add it to {vpc_id}.")
            found.append(group.id)
        return tuple(found)

    def _rule(self, value: Value, peers: str) -> Rule:
        fields = value.fields("ports", peers)
        span = _span(fields.required("ports"))
        networks: List[Network] = []
        groups: List[str] = []
        for item in fields.required(peers).items():
            if item.text().startswith("sg-"):
                groups.append(item.text())
                self._peers.append(item)
            else:
                networks.append(item.network("a network, such as 10.0.0.0/16, or the id of a security group"))
        return Rule(span, tuple(networks), tuple(groups))

    def require_known_groups(self) -> None:
        """Raises WorldError if a rule names a group that is not in the Region."""
        for value in self._peers:
            if value.text() not in self._region.groups:
                value.fail(f"unknown security group ({value.text()[:64]!r})", "Add it to a VPC of this Region.")


def _span(value: Value) -> range:
    if value.text() == "all":
        return range(65536)
    text = value.text(_PORTS, "a port, FIRST-LAST, or all")
    first, _, last = text.partition("-")
    span = range(int(first), int(last or first) + 1)
    if not 0 <= span.start < span.stop <= 65536:
        value.fail(f"invalid ({text})", "Use 0 to 65535, the lower number first.")
    return span


def _state(value: Value) -> State:
    names = [state.value for state in State]
    text = value.text()
    if text not in names:
        value.fail(f"unknown state ({text[:64]!r})", f"Use one of: {', '.join(names)}.")
    return State(text)


def _public_ip(value: Value) -> ipaddress.IPv4Address:
    address = value.address()
    if not isinstance(address, ipaddress.IPv4Address):
        value.fail(f"not an IPv4 address ({address})", "Use an IPv4 address.")
    return address


def _servers(entries: Iterable[Tuple[str, Value]]) -> Dict[int, Tuple[str, int]]:
    found: Dict[int, Tuple[str, int]] = {}
    for port, listener in entries:
        if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
            listener.fail(f"not a port ({port[:16]!r})", "Use 1 to 65535.")
        found[int(port)] = listener.listener()
        if found[int(port)][1] == 0:
            listener.fail("invalid (port 0)", "Use the port where the server listens.")
    return found
