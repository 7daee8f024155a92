# SPDX-License-Identifier: Apache-2.0
"""An explanation has each rule of the login and of each block, with whether it holds and what was seen."""

from __future__ import annotations

import base64
import time
from typing import Dict, List, Optional, Tuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from eic_sandbox.faults import SIGNER_FAULTS
from eic_sshd.config.values import os_users
from eic_sshd.decide.explanation import State
from eic_sshd.host.hardware import SavedHardware
from eic_sshd.model import caller_pattern
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.outcome import Outcome
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.verdict import Rule, broken_rule
from testbed import keys
from testbed.keys import fingerprint
from testbed.memory_imds import MemoryImds

from .explaining import block_states, explained, login_states, only_block, seen
from .scene import USER, Clocks, Scene, reinstate

CALLER = "arn:aws:sts::123456789012:assumed-role/Admin/alice"
RULES_OF_LOGIN = [rule for rule in Rule if rule < Rule.SIGNATURE]
RULES_OF_BLOCK = [rule for rule in Rule if rule >= Rule.SIGNATURE]
# Faults with which the signer is still verified.
HARMLESS = {"delegated-staples", "sha256-staple-names", "hostile-staple-names"}
# What a single block can be refused with: a fault of the sandbox or a pushed line, and the reason.
BLOCKS: Dict[str, Tuple[str, str, Reason]] = {
    "bad signature": ("bad-signature", "", Reason.BAD_SIGNATURE),
    "another instance": ("other-instance", "", Reason.INSTANCE_MISMATCH),
    "expired": ("past-timestamp", "", Reason.EXPIRED),
    "far ahead": ("far-future-timestamp", "", Reason.EXPIRY_BEYOND_WINDOW),
    "malformed key": ("malformed-keys", "", Reason.KEY_MALFORMED),
    "dsa": ("", keys.dsa_line(), Reason.KEY_TYPE_FORBIDDEN),
    "certificate": ("", keys.certificate_line(), Reason.KEY_TYPE_FORBIDDEN),
    "short rsa": ("", keys.rsa_line(1024), Reason.KEY_TOO_SHORT),
}
# What a single block can be refused with because of its caller, by the caller that it names.
CALLERS: Dict[str, Reason] = {
    "arn:aws:sts::123456789012:assumed-role/Admin/eve": Reason.CALLER_FORBIDDEN,
    "nobody": Reason.CALLER_MALFORMED,
}


@pytest.mark.parametrize("case", BLOCKS)
def test_block_is_shown_with_the_rule_that_it_breaks(scene: Scene, ed25519: str, case: str) -> None:
    fault, line, reason = BLOCKS[case]
    scene.instance.push(USER, line or ed25519, CALLER)
    if fault:
        scene.instance.faults.set(fault)
    explanation = explained(scene)
    assert explanation.decision.reason is reason
    assert {result.reason for result in explanation.blocks} == {reason}
    broken = broken_rule(reason)
    assert broken is not None
    for block in explanation.blocks:
        assert block_states(block) == {
            rule: State.OK if rule < broken else State.PROBLEM if rule == broken else State.UNKNOWN
            for rule in RULES_OF_BLOCK
        }
        assert seen(block.rules, broken) == block.detail
        assert block.detail != ""


def with_policy(scene: Scene, caller: str, users: str = USER) -> None:
    pattern: Dict[str, object] = {"callers": (caller_pattern.parse(caller),), "os_users": os_users(users)}
    scene.settings = {**scene.settings, 'policy "admins"': pattern}


@pytest.mark.parametrize("caller", CALLERS)
def test_block_of_a_caller_whom_no_policy_allows_breaks_rule_9(scene: Scene, ed25519: str, caller: str) -> None:
    with_policy(scene, CALLER)
    scene.instance.push(USER, ed25519, caller)
    explanation = explained(scene, fingerprint=fingerprint(ed25519))
    assert explanation.decision.reason is CALLERS[caller]
    block = only_block(explanation)
    assert (block.reason, block.is_verified) == (CALLERS[caller], True)
    assert [rule for rule, state in block_states(block).items() if state is not State.OK] == [Rule.POLICY]
    assert block_states(block)[Rule.POLICY] is State.PROBLEM


def test_block_without_a_caller_breaks_rule_9(scene: Scene, ed25519: str) -> None:
    with_policy(scene, CALLER)
    signed = (
        f"#Timestamp={int(time.time()) + 60}\n#Instance={scene.instance.metadata.instance_id}\n{ed25519}\n".encode()
    )
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    signature = scene.instance.pki.signer.key.sign(signed, pss, hashes.SHA256())
    reinstate(scene, signed + base64.b64encode(signature) + b"\n")
    explanation = explained(scene, fingerprint=fingerprint(ed25519))
    assert explanation.decision.reason is Reason.CALLER_MISSING
    assert block_states(only_block(explanation))[Rule.POLICY] is State.PROBLEM


def test_every_reason_that_a_rule_of_blocks_has_is_shown_here() -> None:
    shown = {reason for _, _, reason in BLOCKS.values()} | set(CALLERS.values())
    shown |= {Reason.FINGERPRINT_MISMATCH, Reason.CALLER_MISSING}
    assert shown == {reason for reason in Reason if broken_rule(reason) in RULES_OF_BLOCK}


def test_policies_that_allow_a_block_are_named(scene: Scene, ed25519: str) -> None:
    with_policy(scene, CALLER)
    scene.instance.push(USER, ed25519, CALLER)
    assert seen(only_block(explained(scene)).rules, Rule.POLICY) == "allowed by [policy] admins"


def test_block_whose_caller_depends_on_a_group_that_is_unknown_has_rule_9_unknown(scene: Scene, ed25519: str) -> None:
    with_policy(scene, CALLER, "@staff")
    scene.groups = None
    scene.instance.push(USER, ed25519, CALLER)
    block = only_block(explained(scene))
    assert (block.reason, block_states(block)[Rule.POLICY]) == (Reason.GROUPS_UNKNOWN, State.UNKNOWN)
    assert "could not be looked up" in seen(block.rules, Rule.POLICY)
    assert block_states(block)[Rule.FINGERPRINT] is State.OK


def test_block_with_another_key_is_a_mismatch_whoever_pushed_it(scene: Scene, ed25519: str) -> None:
    with_policy(scene, CALLER)
    scene.instance.push(USER, ed25519, "arn:aws:iam::123456789012:user/eve")
    block = only_block(explained(scene, fingerprint=fingerprint(keys.ed25519_line())))
    assert (block.reason, block_states(block)[Rule.POLICY]) == (Reason.FINGERPRINT_MISMATCH, State.UNKNOWN)


@pytest.mark.parametrize(("setting", "reason"), [("deny", Reason.USER_FORBIDDEN), ("skip", Reason.USER_SKIPPED)])
def test_user_whom_the_site_denies_is_a_problem_of_rule_0(scene: Scene, setting: str, reason: Reason) -> None:
    scene.settings = {"users": {setting: os_users(USER)}}
    explanation = explained(scene)
    assert explanation.decision.reason is reason
    states = login_states(explanation)
    assert (states[Rule.USER], states[Rule.USER_NAME]) == (State.PROBLEM, State.UNKNOWN)
    assert scene.imds.reads == []


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "[users] is not set"),
        ({"deny": "bob"}, "[users] does not deny or skip the user"),
        ({"allow": USER}, "[users] allow has the user"),
    ],
)
def test_what_lets_the_user_pass_rule_0_is_shown(scene: Scene, settings: Dict[str, str], text: str) -> None:
    scene.settings = {"users": {name: os_users(value) for name, value in settings.items()}}
    assert seen(explained(scene).rules, Rule.USER) == text


def test_granted_block_meets_every_rule(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, CALLER)
    explanation = explained(scene, fingerprint=fingerprint(ed25519))
    assert explanation.decision.reason is Reason.GRANTED
    assert explanation.refusal is None
    block = only_block(explanation)
    assert (block.reason, block.is_verified) == (Reason.GRANTED, True)
    assert set(block_states(block).values()) == {State.OK}
    assert list(block_states(block)) == RULES_OF_BLOCK
    assert list(login_states(explanation)) == RULES_OF_LOGIN
    assert login_states(explanation)[Rule.SIGNER] is State.OK
    assert block.key is not None
    assert block.key.fingerprint == fingerprint(ed25519)


def test_block_with_another_key_is_judged_by_all_other_rules(scene: Scene, ed25519: str) -> None:
    other = keys.ed25519_line()
    scene.instance.push(USER, ed25519, CALLER)
    scene.instance.push(USER, other, CALLER)
    explanation = explained(scene, fingerprint=fingerprint(ed25519))
    reasons = {block.key.fingerprint: block.reason for block in explanation.blocks if block.key}
    assert reasons == {fingerprint(ed25519): Reason.GRANTED, fingerprint(other): Reason.FINGERPRINT_MISMATCH}
    (mismatch,) = [block for block in explanation.blocks if block.reason is Reason.FINGERPRINT_MISMATCH]
    states = block_states(mismatch)
    assert [states[rule] for rule in RULES_OF_BLOCK if rule < Rule.FINGERPRINT] == [State.OK] * 4
    assert states[Rule.FINGERPRINT] is State.PROBLEM


def test_key_that_is_not_pushed_leaves_no_rule_of_the_blocks_unchecked(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, CALLER)
    explanation = explained(scene, fingerprint=fingerprint(keys.ed25519_line()))
    assert explanation.decision.reason is Reason.FINGERPRINT_MISMATCH
    assert login_states(explanation)[Rule.SIGNER] is State.OK
    assert block_states(only_block(explanation))[Rule.KEY] is State.OK
    assert block_states(only_block(explanation))[Rule.FINGERPRINT] is State.PROBLEM


def test_decision_and_blocks_are_those_of_the_authorizer_among_many_bad_blocks(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, CALLER)
    scene.instance.faults.set("mixed-blocks")
    decision = scene.ask(fingerprint=fingerprint(ed25519))
    explanation = explained(scene, fingerprint=fingerprint(ed25519))
    assert explanation.decision.lines == decision.lines
    judged = {verdict.block: verdict.reason for verdict in decision.verdicts if verdict.block is not None}
    shown = {block.block: block.reason for block in explanation.blocks if block.block is not None}
    assert judged.items() <= shown.items()
    assert sum(block.block is None for block in explanation.blocks) == 2  # malformed ones have no rules
    assert all(block.rules == () for block in explanation.blocks if block.block is None)


@pytest.mark.parametrize("fault", sorted(set(SIGNER_FAULTS) - HARMLESS))
def test_fault_of_the_signer_is_a_problem_of_rule_3_and_no_block_is_judged(
    scene: Scene, ed25519: str, fault: str
) -> None:
    scene.instance.push(USER, ed25519, CALLER)
    scene.instance.faults.set(fault)
    explanation = explained(scene, fingerprint=fingerprint(ed25519))
    assert broken_rule(explanation.decision.reason) is Rule.SIGNER
    assert login_states(explanation)[Rule.SIGNER] is State.PROBLEM
    assert login_states(explanation)[Rule.USER_NAME] is State.OK
    block = only_block(explanation)
    assert (block.reason, block.is_verified) == (None, False)
    assert set(block_states(block).values()) == {State.UNKNOWN}


def test_signer_is_a_problem_also_where_the_decision_ended_before_it_was_read(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, CALLER)
    scene.instance.faults.set("other-root")
    explanation = explained(scene, fingerprint=fingerprint(keys.ed25519_line()))
    assert explanation.decision.reason is Reason.FINGERPRINT_MISMATCH
    assert login_states(explanation)[Rule.SIGNER] is State.PROBLEM
    states = block_states(only_block(explanation))
    assert states[Rule.FINGERPRINT] is State.PROBLEM
    assert {states[rule] for rule in RULES_OF_BLOCK if rule < Rule.FINGERPRINT} == {State.UNKNOWN}


def test_invalid_user_name_is_a_problem_of_rule_1_and_nothing_is_read(scene: Scene) -> None:
    explanation = explained(scene, user="a b")
    states = login_states(explanation)
    assert states[Rule.USER_NAME] is State.PROBLEM
    assert (states[Rule.HARDWARE], states[Rule.SIGNER]) == (State.UNKNOWN, State.UNKNOWN)
    assert (explanation.blocks, explanation.requests, scene.imds.reads) == ((), (), [])


TAG, UUID = "sys/devices/virtual/dmi/id/board_asset_tag", "sys/hypervisor/uuid"


def test_other_hardware_is_a_problem_of_rule_2(scene: Scene) -> None:
    scene.hardware = SavedHardware({TAG: "i-0fedcba9876543210"})
    scene.instance.push(USER, keys.ed25519_line(), CALLER)
    explanation = explained(scene)
    states = login_states(explanation)
    assert (states[Rule.USER_NAME], states[Rule.HARDWARE]) == (State.OK, State.PROBLEM)
    assert "i-0fedcba9876543210" in seen(explanation.rules, Rule.HARDWARE)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({TAG: "i-0123456789abcdef0"}, "board_asset_tag i-0123456789abcdef0, IMDS reports i-0123456789abcdef0"),
        ({UUID: "ec2abc"}, "uuid ec2abc, IMDS reports i-0123456789abcdef0"),
    ],
)
def test_hardware_is_shown_beside_the_instance_that_imds_reports(
    scene: Scene, ed25519: str, facts: Dict[str, str], text: str
) -> None:
    scene.hardware = SavedHardware(facts)
    scene.instance.push(USER, ed25519, CALLER)
    explanation = explained(scene)
    assert (login_states(explanation)[Rule.HARDWARE], seen(explanation.rules, Rule.HARDWARE)) == (State.OK, text)


def test_rule_that_the_configuration_weakens_is_a_warning(scene: Scene, ed25519: str) -> None:
    scene.settings = {"trust": {"require_ocsp": False}}
    scene.instance.push(USER, ed25519, CALLER)
    explanation = explained(scene)
    states = login_states(explanation)
    assert (states[Rule.HARDWARE], states[Rule.SIGNER]) == (State.WARNING, State.WARNING)
    assert "require_ec2_hardware = no" in seen(explanation.rules, Rule.HARDWARE)
    assert "require_ocsp = no" in seen(explanation.rules, Rule.SIGNER)


def test_without_pushed_keys_the_signer_is_not_checked(scene: Scene) -> None:
    explanation = explained(scene)
    assert explanation.decision.outcome is Outcome.NONE
    assert login_states(explanation)[Rule.SIGNER] is State.UNKNOWN
    assert [request.path for request in explanation.requests] == [f"managed-ssh-keys/active-keys/{USER}"]


def test_where_imds_fails_the_rules_after_it_are_unknown(scene: Scene) -> None:
    class Dead(MemoryImds):
        def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
            raise NotGranted(Reason.IMDS_UNREACHABLE, "no answer")

    scene.imds = Dead(scene.instance)
    explanation = explained(scene)
    assert explanation.refusal is not None
    assert explanation.refusal.reason is Reason.IMDS_UNREACHABLE
    assert login_states(explanation)[Rule.SIGNER] is State.UNKNOWN
    (request,) = explanation.requests
    assert request.answer.refusal is explanation.refusal


def test_steps_have_the_whole_time_of_the_decision_in_their_order(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    read = scene.instance.read

    def slow(path: str) -> Optional[bytes]:
        clocks.monotonic += 0.25
        return read(path)

    scene.instance.read = slow  # type: ignore[method-assign]
    scene.instance.push(USER, ed25519, CALLER)
    explanation = explained(scene, fingerprint=fingerprint(ed25519))
    seconds = {step.name: step.seconds for step in explanation.steps}
    assert list(seconds)[-1] == "judging the pushed keys"
    assert seconds["reading the pushed keys from IMDS"] == 0.25
    assert seconds["reading the signer's chain from IMDS"] == 0.75  # with region and domain
    assert sum(seconds.values()) == 0.25 * len(explanation.requests)
    assert [request.seconds for request in explanation.requests] == [0.25] * len(explanation.requests)


def test_one_time_is_used_for_the_whole_explanation(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    scene.instance.push(USER, ed25519, CALLER)
    times: List[float] = []

    def now() -> float:
        times.append(clocks.wall)
        clocks.wall += 50
        return times[-1]

    scene.now = now
    explanation = explained(scene, fingerprint=fingerprint(ed25519))
    assert (explanation.now, len(times)) == (times[0], 1)
    assert explanation.decision.reason is Reason.GRANTED


def test_explanation_neither_uses_nor_fills_a_cache(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    scene.instance.push(USER, ed25519, CALLER)
    assert scene.ask(fingerprint=fingerprint(ed25519)).reason is Reason.GRANTED
    assert scene.cache is not None
    before = dict(vars(scene.cache))
    scene.instance.forget_keys()
    explanation = explained(scene, fingerprint=fingerprint(ed25519))
    assert explanation.decision.reason is Reason.NO_ACTIVE_KEYS
    assert vars(scene.cache) == before
    assert clocks.monotonic == 1000.0


def test_all_judged_keys_are_read_from_imds_once(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, CALLER)
    explained(scene, fingerprint=fingerprint(ed25519))
    assert len(scene.imds.reads) == len(set(scene.imds.reads))


def test_keys_on_disk_are_what_sshd_gets_and_the_refusal_is_kept(scene: Scene, ed25519: str) -> None:
    scene.settings = {"fallback": {"keys_file": "/keys/%u", "when": "no-key"}}
    scene.read_keys_file = lambda path: ed25519.encode()  # type: ignore[method-assign]
    explanation = explained(scene)
    assert explanation.decision.reason is Reason.FALLBACK_FILE
    assert explanation.decision.lines == [" ".join(ed25519.split()[:2])]
    assert explanation.refusal is not None
    assert explanation.refusal.reason is Reason.NO_ACTIVE_KEYS
