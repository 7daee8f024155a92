# SPDX-License-Identifier: Apache-2.0
"""A rotation of the signer between two reads, staples that cannot be read, and the signer that logins share."""

from __future__ import annotations

import contextlib
import time
from typing import Iterator, List, Optional

import pytest

from eic_sshd.decide.cache import Cache
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust.signer import Signer
from testbed import keys
from testbed.keys import fingerprint

from .scene import MINUTE, USER, Clocks, Scene, reinstate


def test_signer_rotation_between_two_reads_does_not_refuse_a_login(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    read = scene.instance.read
    rotated: List[str] = []

    def rotating(path: str) -> Optional[bytes]:
        if path == "managed-ssh-keys/signer-cert" and not rotated:
            rotated.append(path)
            scene.instance.rotate_signer()
        return read(path)

    scene.instance.read = rotating  # type: ignore[method-assign]
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.GRANTED
    assert rotated


def test_refused_chain_is_read_once_more(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.instance.faults.set("other-root")
    assert scene.ask().reason is Reason.SIGNER_UNTRUSTED
    assert scene.imds.reads.count("managed-ssh-keys/signer-cert") == 2
    assert scene.imds.reads.count("placement/region") == 2


def test_lasting_fault_is_read_only_twice(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.instance.faults.set("bad-signature")
    assert scene.ask().reason is Reason.BAD_SIGNATURE
    assert scene.imds.reads.count("managed-ssh-keys/signer-cert") == 2


def test_signer_rotation_refuses_no_login_beside_a_block_refused_for_another_reason(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    own = scene.instance
    warm = keys.ed25519_line()
    own.push(USER, warm, "arn:warm")
    assert scene.ask(fingerprint=fingerprint(warm)).reason is Reason.GRANTED
    own.push(USER, ed25519, "arn:old")
    path = f"managed-ssh-keys/active-keys/{USER}"
    expired = own.read(path) or b""
    clocks.pass_seconds(MINUTE)
    own.rotate_signer()
    own.push(USER, ed25519, "arn:new")
    reinstate(scene, expired + b"\n" + (own.read(path) or b""))
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    assert (decision.reason, decision.callers) == (Reason.GRANTED, ("arn:new",))


@pytest.mark.parametrize(
    ("second", "reason"),
    [(Reason.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED), (Reason.IMDS_UNREACHABLE, Reason.BAD_SIGNATURE)],
)
def test_failed_second_read_is_reported_with_the_first_refusal(
    scene: Scene, ed25519: str, second: Reason, reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.instance.faults.set("bad-signature")
    read = scene.instance.read

    def failing(path: str) -> Optional[bytes]:
        if scene.imds.reads.count(path) > 1:
            raise NotGranted(second, "as the test wants it")
        return read(path)

    monkeypatch.setattr(scene.instance, "read", failing)
    decision = scene.ask()
    assert decision.reason is reason
    for part in ("as the test wants it", "the signer did not sign these bytes"):
        assert part in decision.detail


def test_unreadable_staple_is_the_reason_when_that_staple_is_missing(
    scene: Scene, ed25519: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.instance.push(USER, ed25519, "arn")
    read = scene.instance.read

    def failing(path: str) -> Optional[bytes]:
        if "signer-ocsp/" in path:
            raise NotGranted(Reason.IMDS_UNREACHABLE, "as the test wants it")
        return read(path)

    monkeypatch.setattr(scene.instance, "read", failing)
    assert scene.ask().reason is Reason.IMDS_UNREACHABLE


def test_cached_signer_is_used_while_another_login_holds_the_lock(scene: Scene, ed25519: str) -> None:
    Clocks(scene)
    other = keys.ed25519_line()
    scene.instance.push(USER, ed25519, "arn")
    scene.instance.push(USER, other, "arn")
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.GRANTED
    assert scene.cache is not None
    scene.settings["imds"] = {"deadline": 0.5}
    with scene.cache.signer_lock(Deadline.after(5, time.monotonic)):
        assert scene.ask(fingerprint=fingerprint(other)).reason is Reason.GRANTED


def test_signer_verified_by_another_login_meanwhile_is_not_verified_again(scene: Scene, ed25519: str) -> None:
    class Meanwhile(Cache):
        @contextlib.contextmanager
        def signer_lock(self, deadline: Deadline) -> Iterator[None]:
            key = scene.instance.pki.signer.key.public_key()
            self.store_signer(b"", Signer(key, 2**40), scene.now(), scene.monotonic())
            yield

    scene.cache = Meanwhile()
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is Reason.GRANTED
    assert scene.verified == 0
    assert "managed-ssh-keys/signer-cert" not in scene.imds.reads


def test_unreadable_staple_is_not_the_reason_when_another_staple_is_invalid(
    scene: Scene, ed25519: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.instance.faults.set("stale-staples")
    read = scene.instance.read
    names = (read("managed-ssh-keys/signer-ocsp") or b"").decode().split()

    def failing(path: str) -> Optional[bytes]:
        if path.endswith(names[-1]):
            raise NotGranted(Reason.IMDS_UNREACHABLE, "as the test wants it")
        return read(path)

    monkeypatch.setattr(scene.instance, "read", failing)
    assert scene.ask().reason is Reason.STAPLE_INVALID
