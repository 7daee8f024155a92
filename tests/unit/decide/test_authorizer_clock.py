# SPDX-License-Identifier: Apache-2.0
"""How long a pushed key is granted, whatever happens to the system clock; and what one process caches."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Optional

import pytest

from eic_sandbox.cloud.instance import Instance
from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sandbox.pki.authority import Pki
from eic_sshd.decide.cache import Cache
from eic_sshd.invocation import Invocation
from eic_sshd.model.decision import Decision, Source
from eic_sshd.model.reasons import Reason
from eic_sshd.trust.signer import Signer
from testbed import keys
from testbed.keys import fingerprint
from testbed.memory_imds import MemoryImds

from .scene import MINUTE, USER, Clocks, Scene, nitro, reinstate


@pytest.mark.parametrize("ahead", [0, 1, 59, 60, 61, 120, 121, 200])
@pytest.mark.parametrize(("window", "clock_skew"), [(60, 60), (60, 0), (30, 30)])
def test_key_is_granted_until_its_timestamp_and_at_most_window_and_skew_ahead(
    pki: Pki, ed25519: str, ahead: int, window: int, clock_skew: int
) -> None:
    pushed_at = int(time.time())
    scene = Scene(Instance(InstanceMetadata(), pki, window=60, clock=lambda: float(pushed_at)))
    scene.settings = {"keys": {"window": window, "clock_skew": clock_skew}}
    scene.instance.push(USER, ed25519, "arn")
    scene.now = lambda: float(pushed_at + 60 - ahead)
    expected = Reason.GRANTED
    if ahead == 0:
        expected = Reason.EXPIRED
    elif ahead > window + clock_skew:
        expected = Reason.EXPIRY_BEYOND_WINDOW
    assert scene.ask().reason is expected


@pytest.mark.parametrize("named", [True, False], ids=["sshd names the key", "sshd names none"])
@pytest.mark.parametrize("seen_after", [0, 30])
def test_expired_key_is_not_granted_again_after_the_clock_is_set_back(
    scene: Scene, ed25519: str, named: bool, seen_after: int
) -> None:
    clocks = Clocks(scene)
    asked = fingerprint(ed25519) if named else None
    scene.instance.push(USER, ed25519, "arn")
    reinstate(scene, scene.instance.read(f"managed-ssh-keys/active-keys/{USER}"))
    clocks.pass_seconds(seen_after)
    assert scene.ask(fingerprint=asked).reason is Reason.GRANTED
    left = MINUTE - seen_after
    clocks.pass_seconds(left - 1)
    clocks.wall -= 50
    assert scene.ask(fingerprint=asked).reason is Reason.GRANTED
    clocks.pass_seconds(1)
    assert scene.ask(fingerprint=asked).reason is Reason.EXPIRED
    clocks.wall -= 20
    assert scene.ask(fingerprint=asked).reason is Reason.EXPIRED


@pytest.mark.parametrize("off", [-86400, -3 * 3600, 3 * 3600, 86400])
def test_key_first_seen_with_a_wrong_clock_is_granted_when_the_clock_is_right(
    scene: Scene, ed25519: str, off: int
) -> None:
    clocks = Clocks(scene)
    scene.instance.push(USER, ed25519, "arn")
    reinstate(scene, scene.instance.read(f"managed-ssh-keys/active-keys/{USER}"))
    assert scene.ask().reason is Reason.GRANTED  # another process has seen the signer in time
    scene.cache = Cache()
    scene.cache.store_signer(b"", Signer(scene.instance.pki.signer.key.public_key(), 2**40), 0.0, -(10.0**9))
    clocks.wall += off
    refused = scene.ask(fingerprint=fingerprint(ed25519))
    assert refused.keys == ()
    clocks.wall -= off
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.GRANTED


def test_key_first_seen_expired_is_not_granted_after_one_window(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    scene.instance.push(USER, ed25519, "arn")
    reinstate(scene, scene.instance.read(f"managed-ssh-keys/active-keys/{USER}"))
    clocks.pass_seconds(MINUTE)
    assert scene.ask().reason is Reason.EXPIRED
    clocks.monotonic += 2 * MINUTE - 1
    clocks.wall -= 1
    assert scene.ask().reason is Reason.GRANTED
    clocks.monotonic += 1
    assert scene.ask().reason is Reason.EXPIRED
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.EXPIRED


@pytest.mark.parametrize("step", [-7 * 3600, 7 * 3600])
def test_key_pushed_after_a_large_clock_step_is_granted(scene: Scene, ed25519: str, step: int) -> None:
    clocks = Clocks(scene)
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.GRANTED
    clocks.wall += step
    pki = scene.instance.pki
    later = Instance(scene.instance.metadata, pki, clock=lambda: clocks.wall)
    later.push(USER, ed25519, "arn")
    scene.imds = MemoryImds(later)
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.GRANTED


def test_cached_key_is_checked_against_the_present_clock(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    scene.instance.push(USER, ed25519, "arn")
    reinstate(scene, scene.instance.read(f"managed-ssh-keys/active-keys/{USER}"))
    asked = fingerprint(ed25519)
    assert scene.ask(fingerprint=asked).source is Source.IMDS
    assert scene.ask(fingerprint=asked).source is Source.CACHE
    clocks.wall -= 3600
    assert scene.ask(fingerprint=asked).reason is Reason.EXPIRY_BEYOND_WINDOW
    clocks.wall += 3600 + MINUTE
    assert scene.ask(fingerprint=asked).reason is Reason.EXPIRED


def test_cached_key_is_checked_against_hardware_and_user_name_again(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    Clocks(scene)
    scene.instance.push(USER, ed25519, "arn")
    asked = fingerprint(ed25519)
    assert scene.ask(fingerprint=asked).reason is Reason.GRANTED
    for number, tag in enumerate(("i-0fedcba9876543210", "none of EC2's")):
        scene.hardware = nitro(tmp_path / str(number), tag)
        assert scene.ask(fingerprint=asked).reason is Reason.NOT_EC2


def remembered(scene: Scene, user: str, asked: Optional[str]) -> Optional[Decision]:
    return scene.authorizer().cached(Invocation(user, asked, sshd_pid=42, begun=scene.monotonic()))


def test_cached_answers_only_for_a_granted_key_and_without_imds(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    asked = fingerprint(ed25519)
    scene.instance.push(USER, ed25519, "arn")
    assert remembered(scene, USER, asked) is None
    granted = scene.ask(fingerprint=asked)
    scene.imds.reads.clear()
    found = remembered(scene, USER, asked)
    assert found is not None
    assert (found.source, found.verdicts) == (Source.CACHE, ())
    assert found == granted._replace(
        invocation=found.invocation, source=Source.CACHE, verdicts=(), elapsed_us=found.elapsed_us
    )
    for user, other in ((USER, None), (USER, "SHA256:x"), ("root", asked)):
        assert remembered(scene, user, other) is None
    clocks.pass_seconds(MINUTE)
    assert remembered(scene, USER, asked) is None
    assert scene.imds.reads == []


def test_cached_checks_user_name_hardware_and_clock_again(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    clocks = Clocks(scene)
    asked = fingerprint(ed25519)
    scene.instance.push(USER, ed25519, "arn")
    granted = scene.ask(fingerprint=asked)
    assert scene.cache is not None
    stored = scene.cache.grant(USER, asked, scene.monotonic())
    assert granted.reason is Reason.GRANTED
    assert stored is not None
    scene.cache.store_grant("../root", asked, stored, scene.monotonic())
    assert remembered(scene, "../root", asked) is None
    another = fingerprint(keys.ed25519_line())
    scene.cache.store_grant(USER, another, stored, scene.monotonic())
    assert remembered(scene, USER, another) is None
    clocks.wall -= 3600
    assert remembered(scene, USER, asked) is None
    clocks.wall += 3600
    assert remembered(scene, USER, asked) is not None
    for number, tag in enumerate(("i-0fedcba9876543210", "none of EC2's")):
        scene.hardware = nitro(tmp_path / str(number), tag)
        assert remembered(scene, USER, asked) is None
