# SPDX-License-Identifier: Apache-2.0
"""What the authorizer grants, and what it reads for that."""

from __future__ import annotations

import time

import pytest

from eic_sshd.decide.cache import Cache
from eic_sshd.log import record
from eic_sshd.model.decision import Source
from eic_sshd.model.outcome import Outcome
from eic_sshd.model.public_key import parse
from eic_sshd.model.reasons import Reason
from testbed import keys
from testbed.keys import fingerprint

from .scene import MINUTE, USER, Clocks, Scene, reinstate


def test_pushed_key_is_granted_with_its_caller_request_id_and_expiry(scene: Scene, ed25519: str) -> None:
    request_id = scene.instance.push(USER, ed25519, "arn:aws:sts::1:assumed-role/Admin/alice")
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    assert decision.reason is Reason.GRANTED
    assert decision.keys == (parse(ed25519.encode()),)
    assert decision.callers == ("arn:aws:sts::1:assumed-role/Admin/alice",)
    assert decision.request_ids == (request_id,)
    assert decision.instance_id == scene.instance.metadata.instance_id
    assert decision.expires == pytest.approx(time.time() + 60, abs=2)
    assert decision.source is not None
    assert decision.source.value == "imds"


@pytest.mark.parametrize("key_type", sorted(keys.every_type()))
def test_pushed_key_of_every_allowed_type_is_granted(scene: Scene, key_type: str) -> None:
    line = keys.every_type()[key_type].decode()
    scene.instance.push(USER, line, "arn")
    assert scene.ask(fingerprint=fingerprint(line)).keys == (parse(line.encode()),)


def test_every_valid_key_is_granted_once_when_sshd_names_no_fingerprint(scene: Scene) -> None:
    lines = [keys.ed25519_line() for _ in range(3)]
    for line in [*lines, lines[0]]:
        scene.instance.push(USER, line, "arn")
    granted = scene.ask().keys
    assert len(granted) == 3
    assert {key.fingerprint for key in granted} == {fingerprint(line) for line in lines}


def test_md5_fingerprint_selects_its_key(scene: Scene, ed25519: str) -> None:
    import hashlib

    scene.instance.push(USER, ed25519, "arn")
    digest = hashlib.new("md5", parse(ed25519.encode()).blob, usedforsecurity=False).hexdigest()
    colons = ":".join(digest[at : at + 2] for at in range(0, 32, 2))
    assert scene.ask(fingerprint=f"MD5:{colons}").outcome is Outcome.GRANTED


def test_decision_without_pushed_keys_takes_one_read(scene: Scene) -> None:
    scene.ask()
    assert scene.imds.reads == [f"managed-ssh-keys/active-keys/{USER}"]


def test_nothing_more_is_read_when_no_block_has_the_fingerprint(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.ask(fingerprint=fingerprint(keys.ed25519_line()))
    assert scene.imds.reads == [f"managed-ssh-keys/active-keys/{USER}"]
    assert scene.verified == 0


def test_every_caller_of_a_key_is_recorded_from_imds_and_from_the_cache(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    pushes = []
    for caller in ("arn:aws:iam::1:user/alice", "arn:aws:iam::1:user/bob"):
        pushes.append(scene.instance.push(USER, ed25519, caller))
        clocks.pass_seconds(10)
    scene.instance.push(USER, keys.ed25519_line(), "arn:aws:iam::1:user/mallory")
    asked = fingerprint(ed25519)
    decisions = [scene.ask(fingerprint=asked) for _ in range(2)]
    assert [one.source for one in decisions] == [Source.IMDS, Source.CACHE]
    for one in decisions:
        assert one.callers == ("arn:aws:iam::1:user/bob", "arn:aws:iam::1:user/alice")
        assert one.request_ids == tuple(reversed(pushes))
        assert one.expires == int(clocks.wall) - 10 + MINUTE
    clocks.pass_seconds(MINUTE - 20)  # alice's push is over
    assert scene.ask(fingerprint=asked).callers == ("arn:aws:iam::1:user/bob",)


def test_number_of_unjudged_blocks_is_recorded(scene: Scene, ed25519: str) -> None:
    Clocks(scene)
    scene.instance.push(USER, ed25519, "arn")
    blob = scene.instance.read(f"managed-ssh-keys/active-keys/{USER}") or b""
    reinstate(scene, blob * 1028)
    for asked in (fingerprint(ed25519), None):
        scene.cache = Cache()
        decision = scene.ask(fingerprint=asked)
        assert decision.reason is Reason.GRANTED
        assert "4 more" in decision.detail
        assert "4 more" in record.sentence(decision)
