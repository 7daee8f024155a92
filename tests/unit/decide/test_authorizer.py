# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple

import pytest

from eic_sandbox.cloud.instance import Instance
from eic_sandbox.faults import API_FAULTS, BLOCK_FAULTS, METADATA_FAULTS, SIGNER_FAULTS
from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sandbox.pki.authority import Pki
from eic_sshd.decide.cache import Cache
from eic_sshd.host.hardware import Ec2Hardware
from eic_sshd.invocation import Invocation
from eic_sshd.log import record
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.decision import Decision, Source
from eic_sshd.model.public_key import PublicKey, parse
from eic_sshd.model.reasons import NotGranted, Outcome, Reason
from eic_sshd.model.signed_key import Block
from eic_sshd.trust.roots import Roots
from eic_sshd.trust.signer import Signer, SignerVerifier
from testbed import keys
from testbed.keys import fingerprint
from testbed.memory_imds import MemoryImds

from .scene import USER, Scene


@pytest.fixture
def scene(instance: Instance) -> Scene:
    return Scene(instance)


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


# Each refusal of DESIGN.md section 2, and what the sandbox's faults lead to.

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


def nitro(folder: Path, tag: str) -> Ec2Hardware:
    path = folder / "sys/devices/virtual/dmi/id"
    path.mkdir(parents=True)
    (path / "board_asset_tag").write_text(tag + "\n")
    return Ec2Hardware(str(folder))


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


# No work that the answer does not need.


def test_decision_without_pushed_keys_takes_one_read(scene: Scene) -> None:
    scene.ask()
    assert scene.imds.reads == [f"managed-ssh-keys/active-keys/{USER}"]


def test_nothing_more_is_read_when_no_block_has_the_fingerprint(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, "arn")
    scene.ask(fingerprint=fingerprint(keys.ed25519_line()))
    assert scene.imds.reads == [f"managed-ssh-keys/active-keys/{USER}"]
    assert scene.verified == 0


# Which refusal is told, where several blocks are refused.


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


# Rotation between two reads.


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


# Invariant I1: whatever happens, nothing is given out and the reason is told.


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


# A mutation of any check in the story must show.


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


# What one process remembers of blocks and keys, whatever the clock shows. Times are seconds; `MINUTE` is the window.

MINUTE = 60


class Clocks:
    """The system clock, which can be set, and the monotonic one, which cannot."""

    def __init__(self, scene: Scene) -> None:
        self.wall, self.monotonic = float(int(time.time()) + 86400), 1000.0  # within the certificates' lives
        scene.instance._clock = lambda: self.wall
        scene.now, scene.monotonic = lambda: self.wall, lambda: self.monotonic
        scene.cache = Cache()
        scene.settings = {"trust": {"require_ocsp": False}}

    def pass_seconds(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def reinstate(scene: Scene, blob: Optional[bytes]) -> None:
    """IMDS lists this answer for ever, as who answers in its place may."""
    read = scene.instance.read
    scene.instance.read = lambda path: blob if "active-keys" in path else read(path)  # type: ignore[method-assign]


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
        assert one.callers == ("arn:aws:iam::1:user/alice", "arn:aws:iam::1:user/bob")
        assert one.request_ids == tuple(pushes)
        assert one.expires == int(clocks.wall) - 10 + MINUTE
    clocks.pass_seconds(MINUTE - 20)  # alice's push is over
    assert scene.ask(fingerprint=asked).callers == ("arn:aws:iam::1:user/bob",)


def test_number_of_unjudged_blocks_is_recorded(scene: Scene, ed25519: str) -> None:
    Clocks(scene)
    scene.instance.push(USER, ed25519, "arn")
    blob = scene.instance.read(f"managed-ssh-keys/active-keys/{USER}") or b""
    reinstate(scene, blob * 260)
    for asked in (fingerprint(ed25519), None):
        scene.cache = Cache()
        decision = scene.ask(fingerprint=asked)
        assert decision.reason is Reason.GRANTED
        assert "4 more" in decision.detail
        assert "4 more" in record.sentence(decision)


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


# On-disk fallback.


def fallback(scene: Scene, folder: Path, when: str, *lines: str) -> None:
    (folder / USER).write_text("# on disk\n\n" + "".join(f"{line}\n" for line in lines))
    (folder / USER).chmod(0o644)
    scene.settings["fallback"] = {"keys_file": str(folder / "%u"), "when": when}


UNAVAILABLE = ["other-root", "missing-staples", "unknown-domain", "bad-instance-id", "revoked"]


@pytest.mark.parametrize(
    ("when", "fault", "given"),
    [
        ("never", "", False),
        ("never", "other-root", False),
        ("unavailable", "", False),
        *(("unavailable", fault, True) for fault in UNAVAILABLE),
        ("unavailable", "bad-signature", False),
        ("no-key", "", True),
        ("no-key", "other-root", True),
        ("no-key", "bad-signature", True),
        ("no-key", "past-timestamp", True),
    ],
)
def test_keys_on_disk_are_granted_as_the_fallback_setting_says(
    scene: Scene, ed25519: str, tmp_path: Path, when: str, fault: str, given: bool
) -> None:
    fallback(scene, tmp_path, when, ed25519)
    if fault:
        scene.instance.push(USER, ed25519, "arn")
        scene.instance.faults.set(fault)
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    assert (decision.reason is Reason.FALLBACK_FILE) == given
    assert decision.keys == ((parse(ed25519.encode()),) if given else ())
    if given:
        assert decision.source is not None
        assert decision.source.value == "file"


def test_pushed_key_takes_precedence_over_keys_on_disk(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    fallback(scene, tmp_path, "no-key", keys.ed25519_line())
    scene.instance.push(USER, ed25519, "arn")
    assert scene.ask().reason is Reason.GRANTED


def test_key_on_disk_is_granted_although_another_key_is_pushed(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    fallback(scene, tmp_path, "no-key", ed25519)
    scene.instance.push(USER, keys.ed25519_line(), "arn")
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.FALLBACK_FILE


def test_keys_on_disk_must_be_of_an_allowed_type_and_length(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    refused = [
        keys.dsa_line(),
        keys.certificate_line(),
        keys.rsa_line(1024),
        f'from="10.0.0.1" {keys.ed25519_line()}',
        f"cert-authority {keys.ed25519_line()}",
        "nonsense",
    ]
    fallback(scene, tmp_path, "no-key", *refused, ed25519)
    assert scene.ask().keys == (parse(ed25519.encode()),)


def test_key_on_disk_with_another_fingerprint_is_refused(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    fallback(scene, tmp_path, "no-key", keys.ed25519_line())
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    assert (decision.reason, decision.keys) == (Reason.NO_ACTIVE_KEYS, ())
    assert "has no such key without options" in decision.detail


@pytest.mark.parametrize("fault", ["missing", "writable", "folder", "fifo"])
def test_unusable_keys_file_is_reported_and_not_used(scene: Scene, ed25519: str, tmp_path: Path, fault: str) -> None:
    fallback(scene, tmp_path, "no-key", ed25519)
    path = tmp_path / USER
    if fault == "writable":
        path.chmod(0o666)
    else:
        path.unlink()
        if fault == "folder":
            path.mkdir()
        elif fault == "fifo":
            os.mkfifo(path)
    decision = scene.ask()
    assert (decision.reason, decision.keys) == (Reason.NO_ACTIVE_KEYS, ())
    assert str(path) in decision.detail


@pytest.mark.parametrize("name", ["../" + USER, "a/b", ".", "..", ".hidden"])
def test_user_name_cannot_lead_out_of_the_folder_of_keys_files(
    scene: Scene, ed25519: str, tmp_path: Path, name: str
) -> None:
    fallback(scene, tmp_path, "no-key", ed25519)
    (tmp_path / ".hidden").write_text(ed25519)
    scene.settings["fallback"]["keys_file"] = str(tmp_path / "sub" / "%u")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".hidden").write_text(ed25519)
    assert scene.ask(name).keys == ()


def test_user_whose_name_cannot_be_pushed_for_has_keys_on_disk(scene: Scene, ed25519: str, tmp_path: Path) -> None:
    name = "1a-name-that-is-longer-than-thirty-two-characters"
    fallback(scene, tmp_path, "no-key", ed25519)
    (tmp_path / name).write_text(ed25519)
    assert scene.ask(name).keys == (PublicKey("ssh-ed25519", parse(ed25519.encode()).blob),)


# Every reason.


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
    from eic_sshd.model.deadline import Deadline

    instance = Instance(InstanceMetadata(region="eu-central-1", zone=zone), None)  # type: ignore[arg-type]
    imds = MemoryImds(instance)
    deadline = Deadline.after(5, time.monotonic)
    assert imds.region(deadline) == "eu-central-1"
    instance.faults.set("no-region")
    imds.forget()
    assert imds.region(deadline) == region


# What is answered without waiting.


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


# A rotation of the signer, whatever else IMDS lists.


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
