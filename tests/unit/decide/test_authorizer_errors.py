# SPDX-License-Identifier: Apache-2.0
"""I1: whatever fails, the authorizer grants nothing and reports the reason."""

from __future__ import annotations

from typing import Optional

import pytest

from eic_sshd.decide.cache import Cache
from eic_sshd.model.decision import Source
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.signed_key import Block
from eic_sshd.trust.roots import Roots
from eic_sshd.trust.signer import Signer, SignerVerifier
from testbed.keys import fingerprint

from .scene import USER, Clocks, Scene


@pytest.mark.parametrize(
    "reason", [Reason.IMDS_UNREACHABLE, Reason.IMDS_DISABLED, Reason.IMDS_ERROR, Reason.DEADLINE_EXCEEDED]
)
@pytest.mark.parametrize("after", range(6))
def test_imds_failure_at_any_read_is_reported(
    scene: Scene, ed25519: str, reason: Reason, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.instance.push(USER, ed25519, "arn")
    read = scene.instance.read

    def failing(path: str) -> Optional[bytes]:
        if len(scene.imds.reads) > after:
            raise NotGranted(reason, "as the test wants it")
        return read(path)

    monkeypatch.setattr(scene.instance, "read", failing)
    decision = scene.ask()
    assert (decision.reason, decision.keys) == (reason, ())


@pytest.mark.parametrize("place", ["hardware", "imds", "verifier"])
@pytest.mark.parametrize("error", [RuntimeError("odd"), OSError(5, "odd"), RecursionError(), UnicodeError("odd")])
def test_unforeseen_exception_is_an_internal_error(
    scene: Scene, ed25519: str, place: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    scene.instance.push(USER, ed25519, "arn")
    if place == "hardware":
        monkeypatch.setattr(scene.hardware, "require_ec2", fail)
    elif place == "imds":
        monkeypatch.setattr(scene.imds, "active_keys", fail)
    else:
        scene.roots_for = fail  # type: ignore[assignment]
    decision = scene.ask()
    assert (decision.reason, decision.keys) == (Reason.INTERNAL_ERROR, ())


def test_library_that_fails_to_load_at_first_use_is_named(scene: Scene, ed25519: str) -> None:
    def fail(domain: str) -> Roots:
        raise ModuleNotFoundError("No module named '_cffi_backend'")

    scene.instance.push(USER, ed25519, "arn")
    scene.roots_for = fail
    decision = scene.ask()
    assert (decision.reason, decision.keys) == (Reason.LIBRARY_UNUSABLE, ())
    assert "_cffi_backend" in decision.detail


def test_decision_after_the_deadline_grants_nothing(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    ticks = iter(range(0, 10_000, 1))
    scene.monotonic = lambda: float(next(ticks))
    scene.settings = {"imds": {"deadline": 2.0}, "trust": {"require_ocsp": False}}
    assert scene.ask().reason is Reason.DEADLINE_EXCEEDED


def test_grant_that_is_ready_after_the_deadline_is_refused(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    scene.settings["imds"] = {"deadline": 3.0}
    scene.instance.push(USER, ed25519, "arn")
    over = [False]

    class Slow(Signer):
        def verify(self, block: Block) -> None:
            if over[0]:
                clocks.monotonic += 3.0

    class Verifier(SignerVerifier):
        def verify(self, *arguments: object) -> Signer:
            return Slow(scene.instance.pki.signer.key.public_key(), 2**40)

    scene._verifier = lambda config: Verifier(config, scene.roots_for)  # type: ignore[method-assign]
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.GRANTED
    scene.cache, over[0] = Cache(), True
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    assert (decision.reason, decision.keys) == (Reason.DEADLINE_EXCEEDED, ())
    over[0] = False
    assert scene.ask(fingerprint=fingerprint(ed25519)).source is Source.IMDS
