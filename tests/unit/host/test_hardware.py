# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path
from typing import Callable, Optional

import pytest

from eic_sshd.decide import checks
from eic_sshd.host.hardware import AnyHardware, Ec2Hardware, SavedHardware
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.signed_key import Block

ID = "i-0123456789abcdef0"
XEN = "ec2e1916-9099-7caf-fd21-012345abcdef"
# Other instances: the same beginning, the same end, one digit, another length.
OTHERS = [ID[:-1], f"{ID}0", ID[:10], f"{ID[:-1]}1", f"i-1{ID[3:]}", ID.upper(), "i-", f" {ID}"]


def machine(root: Path, tag: Optional[str], uuid: Optional[str]) -> Ec2Hardware:
    for path, text in (("sys/devices/virtual/dmi/id/board_asset_tag", tag), ("sys/hypervisor/uuid", uuid)):
        if text is not None:
            (root / path).parent.mkdir(parents=True)
            (root / path).write_text(f"{text}\n")
    return Ec2Hardware(str(root))


def reason(check: Callable[[], None]) -> Optional[Reason]:
    try:
        check()
        return None
    except NotGranted as refusal:
        return refusal.reason


@pytest.mark.parametrize(
    ("tag", "uuid", "ec2", "this"),
    [
        (ID, None, True, True),
        (ID, XEN, True, True),
        ("i-0fedcba9876543210", None, True, False),
        ("i-0fedcba9876543210", XEN, True, False),  # a tag that is another instance's, whatever the hypervisor
        ("", XEN, True, True),
        (None, XEN, True, True),
        ("Not Specified", XEN, True, True),
        (None, XEN.upper(), True, True),
        (None, f"x{XEN}", False, False),
        (None, "45e12aec-dcd1-b213-94ed-012345abcdef", False, False),
        ("Not Specified", None, False, False),
        (f"x{ID}", None, False, False),
        (None, None, False, False),
    ],
)
def test_hardware_shows_ec2_and_this_instance(
    tmp_path: Path, tag: Optional[str], uuid: Optional[str], ec2: bool, this: bool
) -> None:
    hardware = machine(tmp_path, tag, uuid)
    assert reason(hardware.require_ec2) is (None if ec2 else Reason.NOT_EC2)
    assert reason(lambda: hardware.require_instance(ID)) is (None if this else Reason.NOT_EC2)


@pytest.mark.parametrize("other", OTHERS)
def test_instance_id_must_equal_the_board_asset_tag(tmp_path: Path, other: str) -> None:
    hardware = machine(tmp_path, ID, None)
    hardware.require_instance(ID)
    with pytest.raises(NotGranted, match=f"board asset tag is '{ID}'"):
        hardware.require_instance(other)


@pytest.mark.parametrize("other", OTHERS)
def test_instance_of_a_block_must_equal_this_instance(other: str) -> None:
    def block(instance: str) -> Block:
        return Block(1, instance, None, None, b"", b"", b"")

    checks.require_instance(block(ID), ID)
    for signed_for, this in ((other, ID), (ID, other)):
        with pytest.raises(NotGranted) as caught:
            checks.require_instance(block(signed_for), this)
        assert caught.value.reason is Reason.INSTANCE_MISMATCH


def test_any_hardware_accepts_every_instance() -> None:
    AnyHardware().require_ec2()
    AnyHardware().require_instance(ID)


@pytest.mark.parametrize(("length", "expected"), [(256, None), (257, Reason.NOT_EC2)])
def test_at_most_256_bytes_of_the_board_asset_tag_are_read(
    tmp_path: Path, length: int, expected: Optional[Reason]
) -> None:
    hardware = machine(tmp_path, ID.rjust(length), None)
    assert reason(lambda: hardware.require_instance(ID)) is expected


@pytest.mark.parametrize("tag", [None, ID])
@pytest.mark.parametrize("uuid", [None, XEN])
def test_saved_facts_take_the_place_of_the_hardware(tmp_path: Path, tag: Optional[str], uuid: Optional[str]) -> None:
    hardware = machine(tmp_path, tag, uuid)
    facts = hardware.facts()
    assert sorted(facts.values()) == sorted(text for text in (tag, uuid) if text is not None)
    saved = SavedHardware(facts)
    assert saved.facts() == facts
    assert reason(saved.require_ec2) is reason(hardware.require_ec2)
    for one in (ID, *OTHERS):
        checks_of = [functools.partial(kind.require_instance, one) for kind in (saved, hardware)]
        assert reason(checks_of[0]) is reason(checks_of[1])


def test_saved_fact_is_as_long_as_one_that_is_read() -> None:
    tag = "sys/devices/virtual/dmi/id/board_asset_tag"
    assert SavedHardware({tag: "i" * 300}).facts() == {tag: "i" * 256}


def test_hardware_that_is_not_required_has_no_facts() -> None:
    assert AnyHardware().facts() == {}
