# SPDX-License-Identifier: Apache-2.0
"""Which instances a running endpoint reaches: states, security groups, client addresses, IP versions."""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import Optional

import pytest

from eic_sandbox.cloud.machine import State

from ..fleet import GREETING, Fleet
from ..fleet_world import FOREIGN, FOREIGN_ENDPOINT, OTHER_ACCOUNT, REGION

pytestmark = pytest.mark.usefixtures("nothing_else_connects")
OPEN = (200, GREETING.decode())
CLOSED = (1011, "Unable to connect to target")
TO_THE_GROUP, FROM_THE_GROUP, FROM_THE_ENDPOINT, FROM_THE_CLIENT = (
    f"sg-0000000000000000{number}" for number in (7, 3, 4, 5)
)
TO_ALL, TO_THE_FIRST, NONE = (f"sg-0000000000000000{number}" for number in (2, 6, 1))


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_an_instance_that_does_not_run_is_unreachable(world: Fleet, state: State) -> None:
    world.instance().machine.state = state
    assert world.open(world.url()) == CLOSED
    assert world.events[-1]["errorCode"] == "TargetUnreachable"


def test_an_address_of_no_instance_is_unreachable(shared_world: Fleet) -> None:
    for address in ("10.0.9.9", "fd00:1::11"):
        assert shared_world.open(shared_world.url(address=address)) == CLOSED
        assert f"no instance has the address {address}" in shared_world.events[-1]["errorMessage"]


@pytest.mark.parametrize(
    ("of_endpoint", "of_instance", "preserve", "source", "peer"),
    [
        (TO_ALL, FROM_THE_GROUP, False, None, "127.0.0.1"),
        (TO_ALL, NONE, False, None, None),
        (NONE, FROM_THE_GROUP, False, None, None),
        (TO_THE_GROUP, FROM_THE_GROUP, False, None, None),  # the endpoint is not in the group that may enter
        (f"{TO_THE_GROUP} {TO_ALL}", FROM_THE_GROUP, False, None, "127.0.0.1"),
        (f"{NONE} {TO_THE_FIRST} {TO_ALL}", f"{NONE} {FROM_THE_GROUP}", False, None, "127.0.0.1"),
        (TO_THE_FIRST, FROM_THE_ENDPOINT, False, None, "127.0.0.1"),
        (TO_THE_FIRST, FROM_THE_CLIENT, False, "127.0.0.2", None),  # it sees the endpoint's address
        (TO_THE_FIRST, FROM_THE_CLIENT, True, "127.0.0.2", "127.0.0.2"),
        (TO_THE_FIRST, FROM_THE_CLIENT, True, "127.0.0.3", None),
        (TO_THE_FIRST, FROM_THE_ENDPOINT, True, "127.0.0.2", None),  # it sees the client's address
        (TO_ALL, FROM_THE_GROUP, True, "127.0.0.3", "127.0.0.3"),
        (NONE, FROM_THE_CLIENT, True, "127.0.0.2", None),
    ],
)
def test_security_groups_decide_by_address_and_by_group_and_deny_by_default(
    world: Fleet, of_endpoint: str, of_instance: str, preserve: bool, source: Optional[str], peer: Optional[str]
) -> None:
    address_type = "ipv4" if preserve else "dualstack"
    world.endpoint.settings = dataclasses.replace(
        world.endpoint.settings, security_groups=tuple(of_endpoint.split()), preserve_client_ip=preserve,
        ip_address_type=address_type,
    )  # fmt: skip
    world.instance().machine.security_groups = tuple(of_instance.split())
    assert world.open(world.url(), source) == (OPEN if peer else CLOSED)
    assert world.target.peers == ([peer] if peer else [])


def test_a_group_that_lets_connections_out_to_one_address_does_not_for_another(world: Fleet) -> None:
    world.endpoint.settings = dataclasses.replace(world.endpoint.settings, security_groups=(TO_THE_FIRST, TO_ALL))
    assert world.open(world.url(address="10.0.1.1")) == OPEN
    world.endpoint.settings = dataclasses.replace(world.endpoint.settings, security_groups=(TO_THE_FIRST,))
    world.instance().machine.security_groups = (FROM_THE_ENDPOINT,)
    assert world.open(world.url(address="10.0.1.1")) == CLOSED
    assert world.open(world.url(port=3389)) == CLOSED
    assert world.open(world.url()) == OPEN


@pytest.mark.parametrize(
    ("address_type", "address", "opened"),
    [
        ("ipv4", "10.0.1.0", True),
        ("ipv4", "fd00:1::10", False),
        ("ipv6", "10.0.1.0", False),
        ("ipv6", "fd00:1::10", True),
        ("dualstack", "10.0.1.0", True),
        ("dualstack", "FD00:1:0::10", True),
    ],
)
@pytest.mark.parametrize("group", [FROM_THE_GROUP, FROM_THE_ENDPOINT])
def test_an_endpoint_reaches_addresses_of_its_address_type(
    world: Fleet, address_type: str, address: str, opened: bool, group: str
) -> None:
    world.endpoint.settings = dataclasses.replace(world.endpoint.settings, ip_address_type=address_type)
    world.instance().machine.security_groups = (group,)
    assert world.open(world.url(address=address)) == (OPEN if opened else CLOSED)


def test_an_endpoint_of_another_account_leads_to_the_instance_of_that_account_at_the_same_address(world: Fleet) -> None:
    world.sandbox.cloud.region(OTHER_ACCOUNT, REGION).instances[FOREIGN].machine.state = State.STOPPED
    assert world.open(world.url("mallory", endpoint=FOREIGN_ENDPOINT)) == CLOSED
    assert world.events[-1]["errorMessage"] == f"{FOREIGN} is stopped"


def test_an_instance_of_another_vpc_is_not_reached_though_it_has_an_address_of_this_one(world: Fleet) -> None:
    other = world.instance("i-0000000000000000b")
    other.machine = dataclasses.replace(
        other.machine, private_ip=ipaddress.IPv4Address("10.0.1.9"), security_groups=(FROM_THE_GROUP,)
    )
    assert world.open(world.url(address="10.0.1.9")) == CLOSED
    assert world.events[-1]["errorMessage"] == "no instance has the address 10.0.1.9"
