# SPDX-License-Identifier: Apache-2.0
"""What the authorizer reads and verifies, what it caches, when it retries, and the fields of its decisions."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

import pytest

from eic_sandbox.cloud.instance import Instance
from eic_sshd.decide.authorizer import Authorizer
from eic_sshd.decide.cache import Cache, Location
from eic_sshd.decide.fallback import NoKeys
from eic_sshd.invocation import Invocation
from eic_sshd.model.decision import Source
from eic_sshd.model.public_key import PublicKey, parse
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.signed_key import Block
from eic_sshd.model.verdict import Rule
from eic_sshd.trust.signer import Signer, SignerVerifier
from testbed import keys
from testbed.keys import fingerprint

from .scene import USER, Scene

KEYS = f"managed-ssh-keys/active-keys/{USER}"


class Refusing(SignerVerifier):
    """Raises these, one at each verification, then verifies."""

    def __init__(self, refusals: List[NotGranted], signer: Signer) -> None:
        self.refusals = refusals
        self.signer = signer

    def verify(self, *_: Any) -> Signer:
        if self.refusals:
            raise self.refusals.pop(0)
        return self.signer


@pytest.fixture
def scene(instance: Instance) -> Scene:
    """All decisions of a test share one cache."""
    made = Scene(instance)
    made.cache = Cache()
    return made


def refusing(scene: Scene, *reasons: Reason) -> None:
    signer = Signer(scene.instance.pki.signer.key.public_key(), 2**40)
    verifier = Refusing([NotGranted(reason, f"number {at}") for at, reason in enumerate(reasons)], signer)
    scene._verifier = lambda config: verifier  # type: ignore[method-assign]


def test_second_login_reads_only_the_keys(scene: Scene) -> None:
    first, second = keys.ed25519_line(), keys.ed25519_line()
    for line in (first, second):
        scene.instance.push(USER, line, "arn")
    assert scene.ask(fingerprint=fingerprint(first)).reason is Reason.GRANTED
    assert len(scene.imds.reads) > 5
    scene.imds.reads.clear()
    assert scene.ask(fingerprint=fingerprint(second)).reason is Reason.GRANTED
    assert scene.imds.reads == [KEYS]
    assert scene.verified == 1


def test_new_chain_is_verified_without_reading_the_region_again(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.ask()
    scene.instance.rotate_signer()
    scene.instance.push(USER, keys.ed25519_line(), "arn")
    assert scene.cache is not None
    scene.cache._verified = None
    scene.imds.reads.clear()
    assert scene.ask().reason is Reason.GRANTED
    assert "placement/region" not in scene.imds.reads
    assert scene.verified == 2


def test_unchanged_chain_is_not_verified_again(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.instance.faults.set("bad-signature")
    assert scene.ask().reason is Reason.BAD_SIGNATURE
    assert scene.imds.reads.count("managed-ssh-keys/signer-cert") == 2
    assert scene.verified == 1


def test_wrong_cached_instance_id_is_read_again(scene: Scene, ed25519: str) -> None:
    assert scene.cache is not None
    scene.cache.instance_id = "i-0fedcba9876543210"
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is Reason.GRANTED
    assert scene.cache.instance_id == scene.instance.metadata.instance_id


def test_wrong_cached_region_is_read_again(scene: Scene, ed25519: str) -> None:
    assert scene.cache is not None
    scene.cache.location = Location("eu-central-1", "amazonaws.com")
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is Reason.GRANTED
    assert scene.cache.location == Location(scene.instance.metadata.region, scene.instance.metadata.domain)


RETRIED = [
    Reason.SIGNER_NAME_MISMATCH, Reason.SIGNER_UNTRUSTED, Reason.STAPLE_MISSING, Reason.STAPLE_INVALID,
]  # fmt: skip


@pytest.mark.parametrize("reason", RETRIED)
def test_refusal_that_a_rotation_can_cause_is_retried_once(scene: Scene, ed25519: str, reason: Reason) -> None:
    scene.instance.push(USER, ed25519, "arn")
    refusing(scene, reason)
    assert scene.ask().reason is Reason.GRANTED


@pytest.mark.parametrize("reason", [Reason.SIGNER_REVOKED, Reason.CONFIG_INVALID, Reason.DEADLINE_EXCEEDED])
def test_refusal_that_no_rotation_causes_is_not_retried(scene: Scene, ed25519: str, reason: Reason) -> None:
    scene.instance.push(USER, ed25519, "arn")
    refusing(scene, reason)
    assert scene.ask().reason is reason


@pytest.mark.parametrize(
    ("second", "reported"),
    [(Reason.IMDS_UNREACHABLE, Reason.STAPLE_MISSING), (Reason.SIGNER_REVOKED, Reason.SIGNER_REVOKED)],
)
def test_first_refusal_is_reported_when_the_retry_ends_in_an_error(
    scene: Scene, ed25519: str, second: Reason, reported: Reason
) -> None:
    scene.instance.push(USER, ed25519, "arn")
    refusing(scene, Reason.STAPLE_MISSING, second)
    assert scene.ask().reason is reported


def md5(line: str) -> str:
    import hashlib

    digest = hashlib.new("md5", parse(line.encode()).blob, usedforsecurity=False).hexdigest()
    return "MD5:" + ":".join(digest[at : at + 2] for at in range(0, 32, 2))


@pytest.mark.parametrize("form", [md5, fingerprint])
def test_granted_key_is_cached_under_the_fingerprint_that_sshd_named(scene: Scene, ed25519: str, form: Any) -> None:
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask(fingerprint=form(ed25519)).source is Source.IMDS
    assert scene.ask(fingerprint=form(ed25519)).source is Source.CACHE


def test_key_granted_without_a_fingerprint_is_cached(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().source is Source.IMDS
    assert scene.ask(fingerprint=fingerprint(ed25519)).source is Source.CACHE


def stopped(scene: Scene, at: float) -> Authorizer:
    """An authorizer with a stopped clock, whose signer is verified without OpenSSL."""
    scene.monotonic = lambda: at
    scene.settings["imds"] = {"deadline": 3.0}
    refusing(scene)
    return scene.authorizer()


@pytest.mark.parametrize(
    ("ago", "reason"), [(2.9, Reason.GRANTED), (3.0, Reason.DEADLINE_EXCEEDED), (9.0, Reason.DEADLINE_EXCEEDED)]
)
def test_deadline_runs_from_the_beginning_of_the_invocation(
    scene: Scene, ed25519: str, ago: float, reason: Reason
) -> None:
    scene.instance.push(USER, ed25519, "arn")
    decision = stopped(scene, 100.0).decide(Invocation(USER, begun=100.0 - ago))
    assert decision.reason is reason
    assert decision.elapsed_us == pytest.approx(ago * 1_000_000, abs=1)


def test_elapsed_time_of_a_cached_answer_runs_from_the_invocation(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    authorizer = stopped(scene, 100.0)
    invocation = Invocation(USER, fingerprint(ed25519), begun=100.0)
    assert authorizer.cached(invocation) is None
    assert authorizer.decide(invocation).elapsed_us == 0
    remembered = authorizer.cached(Invocation(USER, fingerprint(ed25519), begun=98.0))
    assert remembered is not None
    assert (remembered.source, remembered.elapsed_us) == (Source.CACHE, 2_000_000)


# What a refusal and a grant say.


class Disk:
    """A keys file that is no good."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, user: str, wanted: Optional[str], refusal: NotGranted) -> Tuple[PublicKey, ...]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (NoKeys(""), "why"),
        (NoKeys("and why"), "why; and why"),
        (RuntimeError("odd"), "why; fallback: RuntimeError: odd"),
    ],
)
def test_refusal_is_reported_whatever_the_fallback_raises(error: Exception, detail: str) -> None:
    from eic_sshd.decide.authorizer import refuse

    decision = refuse(Invocation(USER, begun=0.0), NotGranted(Reason.EXPIRED, "why"), Disk(error))
    assert (decision.reason, decision.detail, decision.keys) == (Reason.EXPIRED, detail, ())


def test_refusal_without_a_detail_has_that_of_the_fallback() -> None:
    from eic_sshd.decide.authorizer import refuse

    assert refuse(Invocation(USER, begun=0.0), NotGranted(Reason.EXPIRED, ""), Disk(NoKeys("why"))).detail == "why"


def test_first_of_several_granted_keys_is_the_latest_push_and_the_first_expiry_counts(scene: Scene) -> None:
    # Their bytes are in the other order than their pushes.
    late, early = sorted([keys.ed25519_line(), keys.ed25519_line()], key=lambda line: parse(line.encode()))
    now = 1_700_000_000
    signed: List[bytes] = []
    for line, left, caller in ((late, 50, "b"), (early, 40, ""), (late, 10, "a"), (late, 10, "")):
        asked = f"#Caller={caller}\n" if caller else ""
        text = f"#Timestamp={now + left}\n#Instance={scene.instance.metadata.instance_id}\n{asked}{line}\n".encode()
        signed.append(text + _base64(scene.instance.pki.sign(scene.instance.pki.signer, text)) + b"\n")
    scene.now = lambda: float(now)
    scene.imds.active_keys = lambda user, deadline: b"\n".join(signed)  # type: ignore[method-assign]
    refusing(scene)
    decision = scene.ask()
    assert decision.keys == (parse(late.encode()), parse(early.encode()))
    assert decision.callers == ("b", "a")
    assert decision.request_ids == ()
    assert decision.expires == now + 40
    assert decision.detail == ""


def _base64(raw: bytes) -> bytes:
    import base64

    return base64.b64encode(raw)


def test_authorizer_verifies_the_exact_bytes_of_a_block(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    seen: List[Block] = []

    class Seeing(Refusing):
        def verify(self, *_: Any) -> Signer:
            class Noting(Signer):
                def verify(self, block: Block) -> None:
                    seen.append(block)
                    super().verify(block)

            return Noting(*self.signer)

    signer = Signer(scene.instance.pki.signer.key.public_key(), 2**40)
    scene._verifier = lambda config: Seeing([], signer)  # type: ignore[method-assign]
    assert scene.ask().reason is Reason.GRANTED
    assert len(seen) == 1


# The verdict on each block comes back with the decision.


def test_decision_has_the_verdict_on_each_block_that_was_judged(scene: Scene, ed25519: str) -> None:
    scene.settings["keys"] = {"types": ["ssh-ed25519"]}
    scene.instance.push(USER, ed25519, "arn:one")
    scene.instance.push(USER, keys.rsa_line(2048), "arn:two")
    decision = scene.ask()
    found = {verdict.block.caller: verdict for verdict in decision.verdicts if verdict.block is not None}
    assert found["arn:one"].reason is Reason.GRANTED
    assert (found["arn:one"].rule, found["arn:one"].key) == (None, decision.keys[0])
    assert (found["arn:two"].rule, found["arn:two"].key) == (Rule.KEY, None)
    assert "ssh-rsa" in found["arn:two"].detail


def test_refusal_has_the_verdict_on_each_block_that_was_judged(scene: Scene, ed25519: str) -> None:
    scene.settings["keys"] = {"types": ["ssh-rsa"]}
    scene.instance.push(USER, ed25519, "arn:one")
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    assert [verdict.rule for verdict in decision.verdicts] == [Rule.KEY]
    assert decision.reason is decision.verdicts[0].reason


def test_granted_and_cached_key_has_the_options_of_the_configuration(scene: Scene, ed25519: str) -> None:
    scene.settings["keys"] = {"options": "restrict,pty"}
    scene.instance.push(USER, ed25519, "arn")
    for source in (Source.IMDS, Source.CACHE):
        decision = scene.ask(fingerprint=fingerprint(ed25519))
        assert decision.source is source
        assert decision.lines == [f"restrict,pty {' '.join(ed25519.split()[:2])}"]
