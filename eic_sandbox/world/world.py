# SPDX-License-Identifier: Apache-2.0
"""Builds the cloud that a world file describes."""

from __future__ import annotations

import os
import re
import time
from typing import List, Tuple, Union

from ..cloud.cloud import Cloud
from ..cloud.directory import Directory
from ..cloud.principals import Account, Role, User
from ..iam.keys import unsupplied
from ..pki.authority import Pki
from .document import Value, read
from .identities import Identities
from .regions import Clock, NewPki, Regions, partition_of


def load(path: str, clock: Clock = time.time) -> Tuple[Cloud, List[str]]:
    """The cloud that a world file describes, and warnings for its author. Raises WorldError, OSError."""
    cloud = build(read(path), os.path.dirname(os.path.abspath(path)), clock)
    return cloud, warnings_of(cloud.directory)


def build(world: Value, folder: str, clock: Clock = time.time, new_pki: NewPki = Pki) -> Cloud:
    """The cloud that a document describes; files that it names are below `folder`. Raises WorldError."""
    fields = world.fields("window", "endpoint_delay", "other_ports", "policies", "accounts")
    accounts = fields.required("accounts", "Describe at least one account.")
    window = fields.read("window", 60, lambda value: value.number(range(1, 86401)))
    delay = fields.read("endpoint_delay", 2.0, lambda value: value.seconds(3600))
    identities = Identities(folder, clock())
    for name, policy in fields.entries("policies"):
        identities.add_policy(name, policy)
    cloud = Cloud(identities.directory, fields.read("other_ports", False, Value.flag))
    regions = Regions(window, delay, clock, new_pki)
    for account_id, value in accounts.entries():
        if not re.fullmatch("[0-9]{12}", account_id):
            value.fail(f"not an account id ({account_id[:64]!r})", "Use twelve digits.")
        parts = value.fields("users", "roles", "regions")
        inner = dict(parts.entries("regions"))
        account = Account(account_id, partition_of(value, tuple(inner)))
        for name, user in parts.entries("users"):
            identities.add_user(account, name, user)
        for name, role in parts.entries("roles"):
            identities.add_role(account, name, role)
        for name, region in inner.items():
            cloud.add(regions.region(account_id, name, region))
    if not cloud.regions():
        accounts.fail("no account has a Region", "Add regions: to an account.")
    return cloud


def warnings_of(directory: Directory) -> List[str]:
    """One for each policy with condition keys that no request has in the sandbox."""
    found = {f"policy {name}": policy for name, policy in directory.policies.items()}
    holders: List[Union[User, Role]] = [*directory.users, *directory.roles]
    for holder in holders:
        own = [policy for policy in holder.policies.values() if policy is not directory.policies.get(policy.name)]
        if isinstance(holder, Role):
            own.append(holder.trust)
        found.update({f"{policy.name} of {holder.arn}": policy for policy in own})
    return [
        f"{name}: no request in the sandbox has the condition keys {', '.join(keys)}. They count as absent."
        for name, keys in ((name, unsupplied(policy)) for name, policy in found.items())
        if keys
    ]
