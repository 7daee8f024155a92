# SPDX-License-Identifier: Apache-2.0
"""What a decision waits for, by name: the record of one that did not end in time shows it."""

from __future__ import annotations

import contextlib
from typing import Dict, Iterator, List, Optional, Tuple

import pytest

from eic_sshd.decide import checks, pushed
from eic_sshd.decide.authorizer import Authorizer
from eic_sshd.decide.cache import Cache
from eic_sshd.host.hardware import AnyHardware
from eic_sshd.invocation import Invocation
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import Reason
from eic_sshd.trust.signer import SignerVerifier
from testbed.memory_imds import MemoryImds

from .scene import USER, Scene


class Watch:
    """Notes which step the authorizer is at when it uses each of its dependencies."""

    def __init__(self) -> None:
        self.authorizer: Optional[Authorizer] = None
        self.seen: List[Tuple[str, str]] = []

    def note(self, use: str) -> None:
        assert self.authorizer is not None
        self.seen.append((use, self.authorizer.step))


class WatchedImds(MemoryImds):
    watch: Watch

    def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        self.watch.note(path)
        return super()._get(path, limit, deadline)


class WatchedHardware(AnyHardware):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def require_ec2(self) -> None:
        self._watch.note("hardware")


class WatchedCache(Cache):
    watch: Watch

    @contextlib.contextmanager
    def signer_lock(self, deadline: Deadline) -> Iterator[None]:
        self.watch.note("signer lock")
        with super().signer_lock(deadline):
            yield


NAMES: Dict[str, str] = {
    "hardware": "reading what hardware this is",
    f"managed-ssh-keys/active-keys/{USER}": "reading the pushed keys from IMDS",
    "blocks": "reading the blocks of the pushed keys",
    "instance-id": "reading the instance id from IMDS",
    "signer lock": "waiting for another login's verification of the signer",
    "managed-ssh-keys/signer-cert": "reading the signer's chain from IMDS",
    "verifier": "verifying the signer's chain and staples",
    "judgement": "judging the pushed keys",
}


def test_each_step_has_its_name(scene: Scene, ed25519: str, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    scene.imds = WatchedImds(scene.instance)
    scene.imds.watch = watch
    scene.hardware = WatchedHardware(watch)
    scene.cache = cache = WatchedCache()
    cache.watch = watch
    read, require, make = pushed.read, checks.require_instance, scene._verifier

    def reading(blob: bytes, fingerprint: Optional[str]) -> pushed.Pushed:
        watch.note("blocks")
        return read(blob, fingerprint)

    def judging(*arguments: object) -> None:
        watch.note("judgement")
        require(*arguments)  # type: ignore[arg-type]

    def verifying(config: object) -> SignerVerifier:
        watch.note("verifier")
        return make(config)  # type: ignore[arg-type]

    monkeypatch.setattr(pushed, "read", reading)
    monkeypatch.setattr(checks, "require_instance", judging)
    monkeypatch.setattr(scene, "_verifier", verifying)
    scene.instance.push(USER, ed25519, "arn")
    watch.authorizer = scene.authorizer()
    invocation = Invocation(USER, begun=scene.monotonic())
    assert watch.authorizer.decide(invocation).reason is Reason.GRANTED
    assert dict(reversed(watch.seen)).items() >= NAMES.items()
    watch.seen.clear()
    scene.instance.rotate_signer()
    assert watch.authorizer.decide(invocation).reason in (Reason.GRANTED, Reason.BAD_SIGNATURE)
    assert ("signer lock", "waiting for another login's verification of the signer") in watch.seen


def test_decision_keeps_the_deadline_that_it_is_given(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.monotonic = lambda: 100.0
    for at, reason in ((100.0, Reason.DEADLINE_EXCEEDED), (100.1, Reason.GRANTED)):
        scene.cache = None
        decision = scene.authorizer().decide(Invocation(USER, begun=0.0), Deadline(at, lambda: 100.0))
        assert decision.reason is reason
        assert decision.elapsed_us == 100_000_000
