# SPDX-License-Identifier: Apache-2.0
"""Builds the cloud that a world file describes."""

from __future__ import annotations

import os
import re
import time
from typing import Callable, Dict, List, Optional, Tuple, Union

from ..cloud.cloud import Cloud
from ..cloud.directory import Directory
from ..cloud.instance import Instance
from ..cloud.machine import Machine
from ..cloud.partitions import partition
from ..cloud.principals import Account, Role, User
from ..cloud.region import Region
from ..iam.keys import unsupplied
from ..imds.metadata import InstanceMetadata
from ..pki.authority import Pki
from .document import Value, read
from .identities import Identities
from .networks import Networks

_REGION = r"[a-z]{2,5}(-[a-z]+){1,3}-[0-9]{1,2}"

Clock = Callable[[], float]


def load(path: str, clock: Clock = time.time) -> Tuple[Cloud, List[str]]:
    """The cloud that a world file describes, and warnings for its author. Raises WorldError, OSError."""
    cloud = build(read(path), os.path.dirname(os.path.abspath(path)), clock)
    return cloud, warnings_of(cloud.directory)


def warnings_of(directory: Directory) -> List[str]:
    """One for each policy with condition keys that no request has in the sandbox."""
    holders: List[Union[User, Role]] = [*directory.users, *directory.roles]
    attached = [policy for holder in holders for policy in holder.policies.values()]
    found = {policy.name: unsupplied(policy) for policy in [*directory.policies.values(), *attached]}
    return [
        f"policy {name}: no request in the sandbox has the condition keys {', '.join(keys)}: they count as absent."
        for name, keys in found.items()
        if keys
    ]


def build(world: Value, folder: str, clock: Clock = time.time) -> Cloud:
    """The cloud that a document describes; files that it names are below `folder`. Raises WorldError."""
    fields = world.fields("window", "endpoint_delay", "other_ports", "policies", "accounts")
    if "accounts" not in fields:
        world.fail("accounts is missing", "Describe at least one account.")
    identities = Identities(folder, clock())
    if "policies" in fields:
        identities.add_policies(fields["policies"])
    cloud = Cloud(identities.directory, fields["other_ports"].flag() if "other_ports" in fields else False)
    window = fields["window"].number(range(1, 86401)) if "window" in fields else 60
    delay = fields["endpoint_delay"].seconds(3600) if "endpoint_delay" in fields else 2.0
    pkis: Dict[str, Pki] = {}
    for account_id, value in fields["accounts"].entries():
        if not re.fullmatch("[0-9]{12}", account_id):
            value.fail(f"not an account id ({account_id[:64]!r})", "Use twelve digits.")
        parts = value.fields("users", "roles", "regions")
        regions = dict(parts["regions"].entries()) if "regions" in parts else {}
        identities.add_account(_account(value, account_id, tuple(regions)), parts.get("users"), parts.get("roles"))
        for name, inner in regions.items():
            region = Region(account_id, name, delay=delay)
            _fill(region, inner, pkis, window, clock)
            _require_new_ids(cloud, region, inner)
            cloud.add(region)
    if not cloud.regions():
        fields["accounts"].fail("no account has a Region", "Add regions: to an account.")
    return cloud


def _account(value: Value, account_id: str, regions: Tuple[str, ...]) -> Account:
    for name in regions:
        if not re.fullmatch(_REGION, name):
            value.fail(f"not the name of a Region ({name[:64]!r})", "Use a name such as us-west-2.")
    partitions = {partition(name).name for name in regions}
    if len(partitions) > 1:
        value.fail(f"its Regions are in several partitions ({', '.join(sorted(partitions))})", "Use one account each.")
    return Account(account_id, partitions.pop() if partitions else "aws")


def _fill(region: Region, value: Value, pkis: Dict[str, Pki], window: int, clock: Clock) -> None:
    fields = value.fields("vpcs", "instances", "endpoints", "serial_console")
    domain = partition(region.name).domain
    if region.name not in pkis:
        pkis[region.name] = Pki(region.name, domain)

    def new_instance(metadata: InstanceMetadata, machine: Machine, listen: Optional[Tuple[str, int]]) -> Instance:
        return Instance(metadata, pkis[region.name], window, clock, machine, listen)

    networks = Networks(region, domain, new_instance)
    region.serial_console = fields["serial_console"].flag() if "serial_console" in fields else False
    for vpc_id, vpc in fields["vpcs"].entries() if "vpcs" in fields else ():
        networks.add_vpc(vpc_id, vpc)
    for instance_id, instance in fields["instances"].entries() if "instances" in fields else ():
        networks.add_instance(instance_id, instance)
    for endpoint_id, endpoint in fields["endpoints"].entries() if "endpoints" in fields else ():
        networks.add_endpoint(endpoint_id, endpoint, clock())


def _require_new_ids(cloud: Cloud, region: Region, value: Value) -> None:
    """Ids of AWS are unique, and tunnels are found by the id of their endpoint."""
    for other in cloud.regions():
        for mine, theirs in ((region.instances, other.instances), (region.endpoints, other.endpoints)):
            for one in set(mine) & set(theirs):
                value.fail(f"{one} is in {other.account} {other.name} too", "Use another id.")
