# SPDX-License-Identifier: Apache-2.0
"""What valid world files build."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

import pytest
import yaml

from eic_sandbox.cloud.cloud import Cloud
from eic_sandbox.cloud.endpoint import EndpointSettings, EndpointState
from eic_sandbox.cloud.machine import State
from eic_sandbox.cloud.network import Rule
from eic_sandbox.cloud.principals import Session
from eic_sandbox.pki.authority import Pki
from eic_sandbox.world.document import WorldError
from eic_sandbox.world.nodes import MAX_FILE
from eic_sandbox.world.world import load

from .worlds import EVERY_KEY, NOW, SMALL, built


@pytest.fixture(scope="module")
def cloud(pki: Pki) -> Cloud:
    return built(EVERY_KEY, pki)


def test_a_user_has_its_path_tags_policies_and_access_keys(cloud: Cloud) -> None:
    (alice,) = cloud.directory.users
    assert alice.arn == "arn:aws:iam::123456789012:user/staff/alice"
    assert alice.tags == {"team": "blue", "empty": ""}
    assert list(alice.policies) == ["everything", "policy 2"]
    credentials = cloud.directory.credentials("AKIAALICEEXAMPLE0000")
    assert credentials is not None
    assert (credentials.principal, credentials.secret, credentials.token) == (alice, "alice's$(id)", None)


def test_a_role_has_its_path_tags_policies_trust_and_longest_session(cloud: Cloud) -> None:
    (role,) = cloud.directory.roles
    assert role.arn == "arn:aws:iam::123456789012:role/ops/Operators"
    assert (role.tags, role.max_duration, list(role.policies)) == ({"team": "red"}, 7200, ["readers"])
    assert role.trust.is_trust


def test_a_session_has_its_credentials_its_end_and_its_tags(cloud: Cloud) -> None:
    credentials = cloud.directory.credentials("ASIABOBEXAMPLE000000")
    assert credentials is not None
    session = credentials.principal
    assert isinstance(session, Session)
    assert session.arn == "arn:aws:sts::123456789012:assumed-role/Operators/bob"
    assert (credentials.secret, credentials.token) == ("bob's", "bob's-token")
    assert (session.issued, session.expires) == (NOW, NOW + 600)
    assert session.tags == {"team": "red", "cost": "7"}


def test_a_region_has_its_networks(cloud: Cloud) -> None:
    (region,) = cloud.regions()
    assert (region.account, region.name, region.delay, region.serial_console) == (
        "123456789012",
        "us-west-2",
        1.5,
        True,
    )
    vpc, subnet = region.vpcs["vpc-11111111"], region.subnets["subnet-11111111"]
    assert [str(network) for network in vpc.networks] == ["10.0.0.0/16", "fd00:1::/56"]
    assert (str(subnet.network), subnet.zone, subnet.vpc_id) == ("10.0.1.0/24", "us-west-2b", vpc.id)
    assert (vpc.tags, subnet.tags) == ({"Name": "main"}, {"tier": "private"})
    group, empty = region.groups["sg-11111111"], region.groups["sg-22222222"]
    assert (group.name, group.vpc_id, group.tags) == ("web", vpc.id, {"Name": "web"})
    peers = (ipaddress.ip_network("192.0.2.0/24"),)
    assert group.ingress == (Rule(range(22, 23), peers, ("sg-22222222",)),)
    assert group.egress == (Rule(range(65536), (ipaddress.ip_network("0.0.0.0/0"),)),)
    assert (empty.name, empty.ingress, empty.egress) == ("sg-22222222", (), ())


def test_an_instance_has_its_addresses_groups_and_servers(cloud: Cloud) -> None:
    (instance,) = cloud.instances()
    machine = instance.machine
    assert instance.window == 45
    assert instance.metadata.zone == "us-west-2b"
    assert instance.listen == ("127.0.0.1", 0)
    assert machine.state is State.STOPPED
    assert tuple(map(str, (machine.private_ip, machine.ipv6, machine.public_ip))) == (
        "10.0.1.10",
        "fd00:1::10",
        "198.51.100.7",
    )
    assert (machine.security_groups, machine.instance_type, machine.tags) == (
        ("sg-11111111",),
        "m5.large",
        {"Name": "one"},
    )
    assert machine.servers == {22: ("127.0.0.1", 2222), 3389: ("::1", 3390)}


def test_an_endpoint_is_complete_from_the_start(cloud: Cloud) -> None:
    endpoint = cloud.regions()[0].endpoints["eice-11111111"]
    assert endpoint.state(NOW) is EndpointState.CREATE_COMPLETE
    assert endpoint.settings == EndpointSettings(("sg-22222222",), False, "dualstack")
    assert (str(endpoint.address), endpoint.tags, endpoint.zone) == ("10.0.1.20", {"Name": "door"}, "us-west-2b")


@pytest.mark.parametrize("value", ["yes", "true", "on", "True"])
def test_a_world_opens_other_ports_if_it_says_so(pki: Pki, value: str) -> None:
    assert built(f"other_ports: {value}\n" + SMALL, pki).other_ports
    assert not built("other_ports: no\n" + SMALL, pki).other_ports
    assert not built(SMALL, pki).other_ports


def test_a_small_world_has_the_defaults(pki: Pki) -> None:
    region = """
      us-west-2:
        vpcs:
          vpc-11111111: {cidrs: 10.0.0.0/16, subnets: {subnet-11111111: {cidr: 10.0.0.0/24}},
            security_groups: {sg-11111111: {name: default}}}
        instances: {i-11111111: {subnet: subnet-11111111, private_ip: 10.0.0.9}}
        endpoints: {eice-11111111: {subnet: subnet-11111111}}
    roles: {Operators: }
    """
    cloud = built(SMALL.replace("\n      us-west-2:\n", region), pki)
    (instance,) = cloud.instances()
    (made,) = cloud.regions()
    endpoint = made.endpoints["eice-11111111"]
    assert (instance.window, made.delay, made.serial_console) == (60, 2.0, False)
    assert instance.machine.state is State.RUNNING
    assert (instance.metadata.zone, instance.listen, instance.machine.servers) == ("us-west-2a", None, {})
    assert endpoint.settings == EndpointSettings(("sg-11111111",), False, "ipv4")
    assert endpoint.address in made.subnets["subnet-11111111"].network
    assert endpoint.address != instance.machine.private_ip
    (role,) = cloud.directory.roles
    assert (role.max_duration, role.path, role.policies) == (3600, "/", {})


@pytest.mark.parametrize("indent", [None, 2, "\t"], ids=["one line", "spaces", "tabs"])
def test_a_world_in_json_builds_the_same_as_in_yaml(pki: Pki, indent: object) -> None:
    as_json = json.dumps(yaml.safe_load(EVERY_KEY.replace("blue", "bl\U0001f535e")), indent=indent)  # type: ignore[arg-type]
    cloud = built(as_json, pki)
    assert cloud.directory.users[0].tags["team"] == "bl\U0001f535e"  # in the file: a pair of escapes
    again = built(EVERY_KEY, pki)
    assert cloud.directory.roles == again.directory.roles
    assert cloud.regions()[0].groups == again.regions()[0].groups
    assert [one.machine for one in cloud.instances()] == [one.machine for one in again.instances()]


def test_a_world_with_a_byte_order_mark_is_read(pki: Pki) -> None:
    assert built("\ufeff" + SMALL.lstrip(), pki).directory.users


def test_a_world_file_may_have_a_mebibyte(pki: Pki) -> None:
    comment = "#" * (MAX_FILE - len(SMALL))
    assert built(SMALL + comment, pki).directory.users
    with pytest.raises(WorldError, match="over 1048576 bytes"):
        built(SMALL + comment + "#", pki)


def test_two_accounts_have_users_of_one_name_and_a_region_each_with_one_signer(pki: Pki, tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    account = """
      users: {alice: }
      regions:
        us-west-2:
          vpcs: {vpc-0000000N: {cidrs: 10.0.0.0/16, subnets: {subnet-0000000N: {cidr: 10.0.0.0/24}}}}
          instances: {i-0000000N: {subnet: subnet-0000000N, private_ip: 10.0.0.9}}
    """
    world.write_text("accounts:\n" + "".join(f"  '00000000000{n}':{account.replace('N', n)}\n" for n in "12"))
    cloud, warnings = load(str(world))
    assert warnings == []
    assert cloud.directory.find("000000000002/alice").arn == "arn:aws:iam::000000000002:user/alice"
    assert [(one.account, one.name) for one in cloud.regions()] == [
        ("000000000001", "us-west-2"),
        ("000000000002", "us-west-2"),
    ]
    assert len(cloud.pkis()) == 1


@pytest.mark.parametrize(
    ("region", "arn", "domain"),
    [
        ("cn-north-1", "arn:aws-cn:iam::123456789012:user/alice", "amazonaws.com.cn"),
        ("us-gov-west-1", "arn:aws-us-gov:iam::123456789012:user/alice", "amazonaws.com"),
        ("eusc-de-east-1", "arn:aws-eusc:iam::123456789012:user/alice", "amazonaws.eu"),
        ("eu-central-2", "arn:aws:iam::123456789012:user/alice", "amazonaws.com"),
    ],
)
def test_the_regions_of_an_account_choose_its_partition(pki: Pki, region: str, arn: str, domain: str) -> None:
    network = "{vpcs: {vpc-11111111: {cidrs: 10.0.0.0/16, subnets: {subnet-11111111: {cidr: 10.0.0.0/24}}}},"
    instance = "instances: {i-11111111: {subnet: subnet-11111111, private_ip: 10.0.0.9}}}"
    cloud = built(SMALL.replace("us-west-2:", f"{region}: {network} {instance}"), pki)
    (made,) = cloud.instances()
    assert cloud.directory.users[0].arn == arn
    assert (made.metadata.domain, made.metadata.zone) == (domain, f"{region}a")


def test_an_account_may_have_several_regions_of_one_partition(pki: Pki) -> None:
    cloud = built(SMALL.replace("us-west-2:", "us-west-2:\n      eu-west-1:"), pki)
    assert cloud.region_names == ("us-west-2", "eu-west-1")


def test_an_id_is_used_once_in_all_accounts_and_regions(pki: Pki) -> None:
    region = "{vpcs: {vpc-11111111: {cidrs: 10.0.0.0/16}}}"
    world = SMALL.replace("us-west-2:", f"us-west-2: {region}\n      eu-west-1: {region}")
    place = "accounts.123456789012.regions.eu-west-1.vpcs.vpc-11111111"
    with pytest.raises(WorldError, match=rf"^world\.yaml:12: {place}: line 11 has the same id\. Use another id\.$"):
        built(world, pki)


def test_ids_of_iam_are_the_same_at_each_start(pki: Pki) -> None:
    first, second = (built(SMALL, pki, now=NOW + later).directory.users[0].unique_id for later in (0, 60))
    assert first == second
    assert first.startswith("AIDA")


def test_a_world_file_that_is_missing_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(str(tmp_path / "absent.yaml"))
