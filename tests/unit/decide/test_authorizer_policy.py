# SPDX-License-Identifier: Apache-2.0
"""Rules 0 and 9 in a decision: when they are checked, what they stop, and what a cached key must pass again."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Dict, Optional

import pytest

from eic_sandbox.cloud.instance import Instance
from eic_sshd.config.values import os_users, path_of_user
from eic_sshd.decide.cache import Cache
from eic_sshd.decide.chained_command import should_run
from eic_sshd.model import caller_pattern
from eic_sshd.model.decision import Source
from eic_sshd.model.reasons import Reason
from testbed import keys
from testbed.keys import fingerprint

from .scene import MINUTE, USER, Clocks, Scene

ALICE, BOB, EVE = (f"arn:aws:iam::123456789012:user/{name}" for name in ("alice", "bob", "eve"))
UID = 1000


@pytest.fixture
def scene(instance: Instance) -> Scene:
    """All decisions of a test share one cache."""
    made = Scene(instance)
    made.cache = Cache()
    return made


def policy(caller: str, users: str = USER) -> Dict[str, object]:
    return {"callers": (caller_pattern.parse(caller),), "os_users": os_users(users)}


def with_policies(scene: Scene, **policies: Dict[str, object]) -> None:
    others = {header: one for header, one in scene.settings.items() if not header.startswith("policy ")}
    scene.settings = {**others, **{f'policy "{name}"': one for name, one in policies.items()}}


def test_key_of_an_allowed_caller_is_granted_and_its_policies_recorded(scene: Scene, ed25519: str) -> None:
    with_policies(scene, first=policy(ALICE), second=policy(ALICE, "*"), other=policy(BOB))
    scene.instance.push(USER, ed25519, ALICE)
    for source in (Source.IMDS, Source.CACHE):
        decision = scene.ask(fingerprint=fingerprint(ed25519), uid=UID)
        assert (decision.reason, decision.source) == (Reason.GRANTED, source)
        assert decision.policies == ("first", "second")
        assert decision.callers == (ALICE,)


def test_key_of_another_caller_is_refused_with_its_caller_and_request(scene: Scene, ed25519: str) -> None:
    with_policies(scene, one=policy(ALICE))
    request = scene.instance.push(USER, ed25519, EVE)
    decision = scene.ask(fingerprint=fingerprint(ed25519), uid=UID)
    assert (decision.reason, decision.keys, decision.lines) == (Reason.CALLER_FORBIDDEN, (), [])
    assert (decision.callers, decision.request_ids) == ((EVE,), (request,))
    assert [verdict.reason for verdict in decision.verdicts] == [Reason.CALLER_FORBIDDEN]


@pytest.mark.parametrize(
    ("uid", "reason"), [(UID, Reason.GRANTED), (999, Reason.CALLER_FORBIDDEN), (None, Reason.CALLER_FORBIDDEN)]
)
def test_uid_that_sshd_passes_decides_whether_a_wildcard_means_the_user(
    scene: Scene, ed25519: str, uid: Optional[int], reason: Reason
) -> None:
    with_policies(scene, one=policy(ALICE, "*"))
    scene.instance.push(USER, ed25519, ALICE)
    assert scene.ask(uid=uid).reason is reason
    assert scene.ask(fingerprint=fingerprint(ed25519), uid=uid).reason is reason


def test_cached_key_is_judged_by_the_uid_of_each_request(scene: Scene, ed25519: str) -> None:
    with_policies(scene, one=policy(ALICE, "*"))
    scene.instance.push(USER, ed25519, ALICE)
    asked = fingerprint(ed25519)
    assert scene.ask(fingerprint=asked, uid=UID).reason is Reason.GRANTED
    assert scene.authorizer().cached(scene.invocation(USER, asked, 0)) is None
    assert scene.ask(fingerprint=asked, uid=0).reason is Reason.CALLER_FORBIDDEN
    assert scene.ask(fingerprint=asked, uid=UID).source is Source.CACHE


def test_only_callers_who_pass_every_rule_are_recorded_the_latest_first(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    with_policies(scene, a=policy(ALICE), b=policy(BOB))
    pushes = {}
    for caller in (ALICE, EVE, BOB):
        pushes[caller] = scene.instance.push(USER, ed25519, caller)
        clocks.pass_seconds(10)
    asked = fingerprint(ed25519)
    for source in (Source.IMDS, Source.CACHE):
        decision = scene.ask(fingerprint=asked, uid=UID)
        assert (decision.source, decision.callers) == (source, (BOB, ALICE))
        assert decision.request_ids == (pushes[BOB], pushes[ALICE])
        assert decision.policies == ("b", "a")
    clocks.pass_seconds(MINUTE - 30)  # alice's push is over
    decision = scene.ask(fingerprint=asked, uid=UID)
    assert (decision.source, decision.callers, decision.policies) == (Source.CACHE, (BOB,), ("b",))


def test_cached_key_of_a_caller_who_is_no_longer_allowed_is_refused(scene: Scene, ed25519: str) -> None:
    with_policies(scene, one=policy(ALICE))
    scene.instance.push(USER, ed25519, ALICE)
    asked = fingerprint(ed25519)
    assert scene.ask(fingerprint=asked, uid=UID).reason is Reason.GRANTED
    with_policies(scene, one=policy(BOB))
    assert scene.authorizer().cached(scene.invocation(USER, asked, UID)) is None
    assert scene.ask(fingerprint=asked, uid=UID).reason is Reason.CALLER_FORBIDDEN


def test_cached_key_of_a_user_who_is_denied_since_is_refused_without_imds(scene: Scene, ed25519: str) -> None:
    scene.instance.push(USER, ed25519, ALICE)
    asked = fingerprint(ed25519)
    assert scene.ask(fingerprint=asked).reason is Reason.GRANTED
    scene.settings = {"users": {"deny": os_users(USER)}}
    scene.imds.reads.clear()
    assert scene.authorizer().cached(scene.invocation(USER, asked)) is None
    assert scene.ask(fingerprint=asked).reason is Reason.USER_FORBIDDEN
    assert scene.imds.reads == []


@pytest.mark.parametrize(("setting", "reason"), [("deny", Reason.USER_FORBIDDEN), ("skip", Reason.USER_SKIPPED)])
@pytest.mark.parametrize("when", ["unavailable", "no-key"])
def test_denied_and_skipped_users_get_no_key_of_the_fallback(
    scene: Scene, ed25519: str, setting: str, reason: Reason, when: str
) -> None:
    scene.settings = {
        "users": {setting: os_users("*")},
        "fallback": {"keys_file": path_of_user("/keys/%u"), "when": when},
    }
    scene.read_keys_file = lambda path: ed25519.encode()  # type: ignore[method-assign]
    scene.instance.push(USER, ed25519, ALICE)
    decision = scene.ask()
    assert (decision.reason, decision.keys) == (reason, ())
    assert scene.imds.reads == []


def test_root_named_in_allow_and_in_a_policy_logs_in(scene: Scene, ed25519: str) -> None:
    with_policies(scene, one=policy(ALICE, "root"))
    scene.settings["users"] = {"allow": os_users("root")}
    scene.instance.push("root", ed25519, ALICE)
    assert scene.ask("root", uid=0).reason is Reason.GRANTED
    assert scene.ask(USER, uid=UID).reason is Reason.USER_FORBIDDEN


# Groups.


def test_member_of_a_group_is_allowed_and_the_result_is_kept_for_a_minute(scene: Scene, ed25519: str) -> None:
    clocks = Clocks(scene)
    with_policies(scene, one=policy(ALICE, "@staff"))
    scene.groups, scene.memberships = ("staff",), {USER: ("staff",)}
    authorizer = scene.authorizer()
    scene.instance.push(USER, ed25519, ALICE)
    asked = fingerprint(ed25519)
    assert authorizer.decide(scene.invocation(USER, asked, UID)).reason is Reason.GRANTED
    scene.memberships = {}
    assert authorizer.cached(scene.invocation(USER, asked, UID)) is not None
    assert scene.lookups == 1
    clocks.pass_seconds(MINUTE)
    scene.instance.push(USER, ed25519, ALICE)
    assert authorizer.decide(scene.invocation(USER, asked, UID)).reason is Reason.CALLER_FORBIDDEN
    assert scene.lookups == 2


def test_cached_key_waits_for_no_lookup_of_groups(scene: Scene, ed25519: str) -> None:
    with_policies(scene, one=policy(ALICE, "@staff"))
    scene.groups, scene.memberships = ("staff",), {USER: ("staff",)}
    scene.instance.push(USER, ed25519, ALICE)
    asked = fingerprint(ed25519)
    assert scene.ask(fingerprint=asked, uid=UID).reason is Reason.GRANTED
    looked_up = scene.lookups
    assert scene.authorizer().cached(scene.invocation(USER, asked, UID)) is None  # another process's: it knows no group
    assert scene.lookups == looked_up


@pytest.mark.parametrize("groups", [None, ()])
def test_unknown_group_refuses_the_key_with_its_caller(
    scene: Scene, ed25519: str, groups: Optional[tuple[str, ...]]
) -> None:
    with_policies(scene, one=policy(ALICE, "@staff"))
    scene.groups = groups
    scene.instance.push(USER, ed25519, ALICE)
    decision = scene.ask(uid=UID)
    assert (decision.reason, decision.keys, decision.callers) == (Reason.GROUPS_UNKNOWN, (), (ALICE,))


def test_key_with_one_allowed_caller_is_granted_though_groups_are_unknown(scene: Scene, ed25519: str) -> None:
    with_policies(scene, one=policy(ALICE, "@staff"), two=policy(BOB))
    scene.groups = None
    scene.instance.push(USER, ed25519, ALICE)
    scene.instance.push(USER, ed25519, BOB)
    decision = scene.ask(uid=UID)
    assert (decision.reason, decision.callers) == (Reason.GRANTED, (BOB,))


def test_groups_are_looked_up_after_the_signature_only(scene: Scene) -> None:
    with_policies(scene, one=policy(ALICE, "@staff"))
    line = keys.ed25519_line()
    scene.instance.push(USER, line, ALICE)
    blob = scene.instance.read(f"managed-ssh-keys/active-keys/{USER}") or b""
    forged = blob.replace(b"#Request=", b"#Request=x")
    scene.imds.active_keys = lambda user, deadline: forged  # type: ignore[method-assign]
    assert scene.ask(uid=UID).reason is Reason.BAD_SIGNATURE
    assert scene.lookups == 0


def test_grant_names_the_other_callers_who_were_refused(scene: Scene, ed25519: str) -> None:
    with_policies(scene, one=policy(ALICE))
    for caller in (EVE, ALICE, BOB):
        scene.instance.push(USER, ed25519, caller)
    decision = scene.ask(uid=UID)
    assert decision.callers == (ALICE,)
    assert decision.detail == f"2 more refused, first: no [policy] lets {EVE} log in as {USER}"


def test_refusal_of_a_block_without_a_caller_has_its_request_id(scene: Scene, ed25519: str) -> None:
    with_policies(scene, one=policy(ALICE))
    text = f"#Timestamp={int(scene.now()) + MINUTE}\n#Instance={scene.instance.metadata.instance_id}\n#Request=r-1\n"
    signed = f"{text}{ed25519}\n".encode()
    signature = base64.b64encode(scene.instance.pki.sign(scene.instance.pki.signer, signed))
    scene.imds.active_keys = lambda user, deadline: signed + signature + b"\n"  # type: ignore[method-assign]
    decision = scene.ask(uid=UID)
    assert (decision.reason, decision.request_ids) == (Reason.CALLER_MISSING, ("r-1",))


def test_directory_that_is_down_stops_neither_the_fallback_nor_the_chained_command(
    scene: Scene, ed25519: str, tmp_path: Path
) -> None:
    """A policy stops pushed keys only."""
    on_disk = keys.ed25519_line()
    (tmp_path / USER).write_text(on_disk)
    scene.settings["fallback"] = {"keys_file": f"{tmp_path}/%u", "when": "unavailable"}
    scene.settings["chain"] = {"command": "/usr/bin/true"}
    with_policies(scene, one=policy(ALICE, "@staff"))
    scene.groups = None
    scene.instance.push(USER, ed25519, ALICE)
    decision = scene.ask(uid=UID)
    assert (decision.reason, len(decision.keys)) == (Reason.FALLBACK_FILE, 1)
    del scene.settings["fallback"]
    decision = scene.ask(uid=UID)
    assert decision.reason is Reason.GROUPS_UNKNOWN
    assert should_run(scene.authorizer()._config, decision)


@pytest.mark.parametrize(("setting", "chain"), [("deny", False), ("allow", False), ("skip", True)])
def test_groups_of_users_that_are_not_known_stop_what_the_setting_stops(
    scene: Scene, tmp_path: Path, setting: str, chain: bool
) -> None:
    (tmp_path / USER).write_text(keys.ed25519_line())
    scene.settings["fallback"] = {"keys_file": f"{tmp_path}/%u", "when": "no-key"}
    scene.settings["chain"] = {"command": "/usr/bin/true"}
    scene.settings["users"] = {setting: os_users("@staff")}
    scene.groups = None
    decision = scene.ask(uid=UID)
    assert (decision.keys, scene.imds.reads) == ((), [])
    assert should_run(scene.authorizer()._config, decision) is chain
