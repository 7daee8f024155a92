# SPDX-License-Identifier: Apache-2.0
"""Each reason for which the authorizer refuses a pushed key."""

from __future__ import annotations

from typing import Dict, List, Tuple

import pytest

from eic_sandbox.faults import API_FAULTS, BLOCK_FAULTS, METADATA_FAULTS, SIGNER_FAULTS
from eic_sshd.model.outcome import Outcome
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.signed_key import Block
from eic_sshd.trust.signer import Signer, SignerVerifier
from testbed import keys
from testbed.keys import fingerprint

from .scene import USER, Scene

FAULTS: Dict[str, Reason] = {
    "wrong-signer-name": Reason.SIGNER_NAME_MISMATCH,
    "other-root": Reason.SIGNER_UNTRUSTED,
    "unfit-signer": Reason.SIGNER_UNTRUSTED,
    "expired-signer": Reason.SIGNER_UNTRUSTED,
    "no-certificate": Reason.SIGNER_UNTRUSTED,
    "revoked": Reason.SIGNER_REVOKED,
    "revoked-long-ago": Reason.SIGNER_REVOKED,
    "unknown-staples": Reason.STAPLE_INVALID,
    "stale-staples": Reason.STAPLE_INVALID,
    "early-staples": Reason.STAPLE_INVALID,
    "no-next-update-staples": Reason.STAPLE_INVALID,
    "unauthorized-responder-staples": Reason.STAPLE_INVALID,
    "undelegated-staples": Reason.STAPLE_INVALID,
    "delegated-staples": Reason.GRANTED,
    "refused-staples": Reason.STAPLE_INVALID,
    "garbage-staples": Reason.STAPLE_INVALID,
    "missing-staples": Reason.STAPLE_MISSING,
    "missing-staple": Reason.STAPLE_MISSING,
    "sha256-staple-names": Reason.GRANTED,
    "hostile-staple-names": Reason.GRANTED,
    "bad-signature": Reason.BAD_SIGNATURE,
    "other-instance": Reason.INSTANCE_MISMATCH,
    "past-timestamp": Reason.EXPIRED,
    "far-future-timestamp": Reason.EXPIRY_BEYOND_WINDOW,
    "malformed-blocks": Reason.BLOCK_MALFORMED,
    "malformed-keys": Reason.KEY_MALFORMED,
    "wrapped-signatures": Reason.GRANTED,
    "mixed-blocks": Reason.GRANTED,
    "unknown-domain": Reason.DOMAIN_UNKNOWN,
    "foreign-domain": Reason.DOMAIN_UNKNOWN,
    "no-region": Reason.GRANTED,
    "bad-instance-id": Reason.IMDS_ERROR,
}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_the_sandbox_leads_to_its_reason(scene: Scene, ed25519: str, fault: str, named: bool) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.instance.faults.set(fault)
    decision = scene.ask(fingerprint=fingerprint(ed25519) if named else None)
    assert decision.reason is FAULTS[fault], decision.detail
    assert bool(decision.keys) == (decision.reason is Reason.GRANTED)


def test_every_fault_that_is_not_one_of_the_connection_is_in_the_table() -> None:
    assert set(FAULTS) == set(SIGNER_FAULTS) | set(BLOCK_FAULTS) | set(METADATA_FAULTS)
    assert not set(FAULTS) & set(API_FAULTS)


PUSHED: Dict[str, Tuple[str, Reason]] = {
    "dsa": (keys.dsa_line(), Reason.KEY_TYPE_FORBIDDEN),
    "certificate": (keys.certificate_line(), Reason.KEY_TYPE_FORBIDDEN),
    "short rsa": (keys.rsa_line(1024), Reason.KEY_TOO_SHORT),
    "options": (f'command="id" {keys.ed25519_line()}', Reason.KEY_MALFORMED),
    "another type within": (
        keys.line("ssh-ed25519", keys.string(b"k" * 32), inner_type="ssh-rsa").decode(),
        Reason.KEY_MALFORMED,
    ),
    "words": ("not a key", Reason.KEY_MALFORMED),
}


@pytest.mark.parametrize("pushed", PUSHED)
def test_signed_key_that_the_policy_forbids_is_refused(scene: Scene, pushed: str) -> None:
    line, reason = PUSHED[pushed]
    scene.instance.push(USER, line, "arn")
    assert scene.ask().reason is reason


@pytest.mark.parametrize("pushed", ["dsa", "certificate", "short rsa"])
def test_signed_key_that_the_policy_forbids_is_refused_when_sshd_names_its_fingerprint(
    scene: Scene, pushed: str
) -> None:
    line, reason = PUSHED[pushed]
    scene.instance.push(USER, line, "arn")
    assert scene.ask(fingerprint=fingerprint(line)).reason is reason


def test_key_type_that_the_site_does_not_list_is_refused(scene: Scene, ed25519: str) -> None:
    scene.settings = {"keys": {"types": frozenset(["ssh-rsa"])}}
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is Reason.KEY_TYPE_FORBIDDEN


def test_key_with_another_fingerprint_is_refused(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask(fingerprint=fingerprint(keys.ed25519_line())).reason is Reason.FINGERPRINT_MISMATCH


def test_key_pushed_for_another_user_is_refused(scene: Scene, ed25519: str) -> None:
    scene.instance.push("root", ed25519, "arn")
    decision = scene.ask()
    assert (decision.reason, decision.outcome, decision.keys) == (Reason.NO_ACTIVE_KEYS, Outcome.NONE, ())


NAMES_REFUSED = [
    "1",
    "1234",
    "1" * 31,
    "0" * 32,
    "1a\n",
    "1a/b",
    "0" * 32 + "a",
    "1$",
    "\u06601a",
    "-x",
    "a/b",
    "../root",
    "a b",
    "a\nb",
    "a?b",
    "a#b",
    "a%2e",
    "\u00fcser",
    "a" * 33,
    "$",
    ".",
]
NAMES_ALLOWED = [
    "a",
    "_apt",
    "ec2-user",
    "user@example.com",
    "a.b",
    "machine$",
    "A" * 32,
    "0day",
    "9.x",
    "1_",
    "12-3",
    "7@",
    "1a$",
    "0" * 31 + "a",
]


@pytest.mark.parametrize("name", NAMES_REFUSED)
def test_user_name_that_ec2_instance_connect_cannot_carry_is_refused(scene: Scene, name: str) -> None:
    assert scene.ask(name).reason is Reason.USER_NAME_INVALID
    assert scene.imds.reads == []


@pytest.mark.parametrize("name", NAMES_ALLOWED)
def test_keys_are_read_for_a_user_name_that_ec2_instance_connect_can_carry(
    scene: Scene, name: str, ed25519: str
) -> None:
    scene.instance.push(name, ed25519, "arn")
    assert scene.ask(name).reason is Reason.GRANTED


def test_malformed_block_is_reported_rather_than_a_fingerprint_mismatch(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.instance.push(USER, "broken", "arn")
    decision = scene.ask(fingerprint=fingerprint(keys.ed25519_line()))
    assert decision.reason is Reason.KEY_MALFORMED
    assert "1 more" in decision.detail


def test_empty_answer_of_active_keys_means_no_keys(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.imds, "active_keys", lambda user, deadline: b"\n \n")
    assert scene.ask().reason is Reason.NO_ACTIVE_KEYS


@pytest.mark.parametrize("blob", [b"\0" * 1000, b"#\n" * 1000, b"<html>", b"\xff\xfe\n\n\xff"])
def test_answer_of_active_keys_that_is_not_blocks_is_refused(
    scene: Scene, blob: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene.imds, "active_keys", lambda user, deadline: blob)
    assert scene.ask().reason is Reason.BLOCK_MALFORMED


def test_block_is_checked_only_after_its_signature(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    seen: List[Block] = []

    class Suspicious(Signer):
        def verify(self, block: Block) -> None:
            seen.append(block)
            raise NotGranted(Reason.BAD_SIGNATURE, "never good")

    class Verifier(SignerVerifier):
        def verify(self, *arguments: object) -> Signer:
            return Suspicious(scene.instance.pki.signer.key.public_key(), 0)

    scene._verifier = lambda config: Verifier(config, scene.roots_for)  # type: ignore[method-assign]
    assert scene.ask().reason is Reason.BAD_SIGNATURE
    assert seen


def test_fields_of_a_block_with_a_bad_signature_are_not_trusted(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn:aws:sts::1:assumed-role/Forged/name")
    scene.instance.faults.set("bad-signature")
    decision = scene.ask()
    assert (decision.callers, decision.request_ids, decision.expires) == ((), (), None)
