# SPDX-License-Identifier: Apache-2.0
"""Hardware, region and domain of the instance."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, List, Tuple

import pytest

from eic_sandbox.cloud.instance import Instance
from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sandbox.pki.authority import Pki
from eic_sshd.host.hardware import Ec2Hardware
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import Reason
from eic_sshd.trust.roots import Roots
from testbed.memory_imds import MemoryImds

from .scene import USER, Scene, nitro


def xen(folder: Path, uuid: str) -> Ec2Hardware:
    (folder / "sys/hypervisor").mkdir(parents=True)
    (folder / "sys/hypervisor/uuid").write_text(uuid + "\n")
    return Ec2Hardware(str(folder))


@pytest.mark.parametrize(
    ("make", "text", "granted"),
    [
        (nitro, InstanceMetadata().instance_id, True),
        (nitro, "i-0fedcba9876543210", False),
        (nitro, "Not Specified", False),
        (nitro, "", False),
        (xen, "ec2e1916-9099-7caf-fd21-012345abcdef", True),
        (xen, "EC2E1916-9099-7CAF-FD21-012345ABCDEF", True),
        (xen, "45e12aec-dcd1-b213-94ed-012345abcdef", False),
    ],
)
def test_hardware_of_another_instance_is_refused(
    scene: Scene, ed25519: str, tmp_path: Path, make: Callable[[Path, str], Ec2Hardware], text: str, granted: bool
) -> None:
    scene.hardware = make(tmp_path, text)
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is (Reason.GRANTED if granted else Reason.NOT_EC2)


def test_imds_is_not_read_on_other_hardware_than_ec2(scene: Scene, tmp_path: Path) -> None:
    scene.hardware = Ec2Hardware(str(tmp_path))
    assert scene.ask().reason is Reason.NOT_EC2
    assert scene.imds.reads == []


def test_key_is_granted_in_another_partition(pki: Pki, ed25519: str) -> None:
    facts = InstanceMetadata(region="cn-north-1", zone="cn-north-1a", domain="amazonaws.com.cn")
    scene = Scene(Instance(facts, Pki(facts.region, facts.domain, intermediates=1)))
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is Reason.GRANTED


@pytest.mark.parametrize("domain", ["amazonaws.com.cn", "amazonaws.eu", "c2s.ic.gov"])
def test_domain_of_another_partition_is_refused_before_roots_are_read(
    scene: Scene, pki: Pki, ed25519: str, domain: str
) -> None:
    asked: List[str] = []

    def roots_for(domain: str) -> Roots:
        asked.append(domain)
        return Roots([pki.root.der], private=True)

    scene.roots_for = roots_for
    scene.instance.metadata = InstanceMetadata(domain=domain)
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is Reason.DOMAIN_UNKNOWN
    assert asked == []


@pytest.mark.parametrize(
    ("allowed", "reason"),
    [
        ((), Reason.GRANTED),
        (("us-west-2",), Reason.GRANTED),
        (("eu-west-1", "us-west-2"), Reason.GRANTED),
        (("us-west-1",), Reason.REGION_MISMATCH),
        (("us-west-21", "us-west"), Reason.REGION_MISMATCH),
    ],
)
def test_key_is_granted_only_in_the_configured_regions(
    scene: Scene, ed25519: str, allowed: Tuple[str, ...], reason: Reason
) -> None:
    scene.settings["instance"] = {"region": allowed}
    scene.instance.push(USER, ed25519, "arn")
    decision = scene.ask()
    assert decision.reason is reason
    if reason is Reason.REGION_MISMATCH:
        assert "us-west-2" in decision.detail
        assert "managed-ssh-keys/signer-cert" in scene.imds.reads
        assert "services/domain" not in scene.imds.reads


def test_region_taken_from_the_zone_must_be_configured(scene: Scene, ed25519: str) -> None:
    scene.settings["instance"] = {"region": ("us-west-1",)}
    scene.instance.faults.set("no-region")
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is Reason.REGION_MISMATCH


@pytest.mark.parametrize(
    ("zone", "region"),
    [
        ("us-west-2a", "us-west-2"),
        ("us-west-2-lax-1a", "us-west-2"),
        ("us-east-1-wl1-bos-wlz-1", "us-east-1"),
        ("us-gov-east-1b", "us-gov-east-1"),
        ("ap-southeast-2-akl-1a", "ap-southeast-2"),
    ],
)
def test_region_is_taken_from_the_zone_only_without_placement_region(zone: str, region: str) -> None:

    instance = Instance(InstanceMetadata(region="eu-central-1", zone=zone), None)  # type: ignore[arg-type]
    imds = MemoryImds(instance)
    deadline = Deadline.after(5, time.monotonic)
    assert imds.region(deadline) == "eu-central-1"
    instance.faults.set("no-region")
    imds.forget()
    assert imds.region(deadline) == region
