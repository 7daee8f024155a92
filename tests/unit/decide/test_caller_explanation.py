# SPDX-License-Identifier: Apache-2.0
"""Who may be whom, by the rules that need no pushed key: each of these rules and each policy is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Sequence, Tuple

import pytest

from eic_sshd.config import loader
from eic_sshd.config.schema import Config
from eic_sshd.decide.caller_explanation import CallerExplanation, explain_caller, not_explained
from eic_sshd.decide.explanation import State
from eic_sshd.decide.policy import Account
from eic_sshd.model.os_users import Memberships
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.verdict import Rule
from tests import policies
from tests.policies import GROUPS, MEMBERSHIPS, PAIRS, POLICIES

ALICE = "arn:aws:iam::123456789012:user/alice"
STAFF = "arn:aws:iam::123456789012:user/team/zoe"


def groups_of(user: str, groups: Sequence[str]) -> Memberships:
    own = MEMBERSHIPS.get(user, ())
    return Memberships(frozenset(groups) & frozenset(own), frozenset(groups) - frozenset(GROUPS))


def config(folder: Path, text: str = POLICIES) -> Config:
    path = folder / "eic-sshd.conf"
    path.write_text(text)
    return loader.load(str(path))


def explained(config: Config, caller: str, user: str, uid: int = policies.ORDINARY) -> CallerExplanation:
    return explain_caller(config, caller, Account(user, uid, 1000), groups_of)


def states(explanation: CallerExplanation) -> Dict[Rule, State]:
    return {one.rule: one.state for one in explanation.rules}


@pytest.mark.parametrize(("caller", "user", "uid", "allowing"), PAIRS)
def test_each_pair_of_the_table_has_the_policies_that_allow_it(
    tmp_path: Path, caller: str, user: str, uid: int, allowing: Tuple[str, ...]
) -> None:
    explanation = explained(config(tmp_path), caller, user, uid)
    assert tuple(one.name for one in explanation.policies if one.state is State.OK) == allowing
    assert (states(explanation)[Rule.POLICY] is State.OK) == bool(allowing)
    assert [one.name for one in explanation.policies] == ["operators", "sso", "named", "wild", "team"]


def policy(explanation: CallerExplanation, name: str) -> Tuple[State, Tuple[str, ...], str]:
    (found,) = [one for one in explanation.policies if one.name == name]
    return found.state, found.patterns, found.seen


def test_a_policy_says_what_of_it_does_not_fit(tmp_path: Path) -> None:
    settings = config(tmp_path)
    state, patterns, seen = policy(explained(settings, ALICE, "alice"), "operators")
    assert (state, patterns, seen) == (State.PROBLEM, (), "callers does not have the caller")
    state, patterns, seen = policy(explained(settings, STAFF, "zoe"), "team")
    assert (state, patterns) == (State.PROBLEM, ("arn:aws:iam::123456789012:user/team/*",))
    assert seen == "callers has the caller, os_users does not have the user"
    state, _, seen = policy(explained(settings, STAFF, "bin", policies.SYSTEM), "team")
    assert state is State.PROBLEM
    assert "uid 999 is root's or a system account's: os_users must have it by its name" in seen


def test_account_without_a_uid_counts_as_root(tmp_path: Path) -> None:
    explanation = explain_caller(config(tmp_path), STAFF, Account("carol", None, 1000), groups_of)
    assert "an account whose uid is not known counts as root" in policy(explanation, "team")[2]
    assert explanation.refusal is not None
    assert explanation.refusal.reason is Reason.CALLER_FORBIDDEN


def test_policy_that_depends_on_an_unknown_group_is_unknown(tmp_path: Path) -> None:
    text = '[policy "a"]\ncallers = arn:aws:iam::123456789012:user/alice\nos_users = @nowhere\n'
    explanation = explained(config(tmp_path, text), ALICE, "alice")
    assert explanation.refusal is not None
    assert explanation.refusal.reason is Reason.GROUPS_UNKNOWN
    assert states(explanation)[Rule.POLICY] is State.UNKNOWN
    assert policy(explanation, "a")[0] is State.UNKNOWN


def test_every_rule_is_checked_whatever_the_others_led_to(tmp_path: Path) -> None:
    explanation = explained(config(tmp_path, f'[users]\ndeny = "a b"\n{POLICIES}'), "nobody", "a b")
    assert explanation.refusal is not None
    assert explanation.refusal.reason is Reason.USER_FORBIDDEN
    assert set(states(explanation).values()) == {State.PROBLEM}
    assert all("is not" in one.seen for one in explanation.policies)


def test_without_policies_iam_decides(tmp_path: Path) -> None:
    explanation = explained(config(tmp_path, ""), ALICE, "alice")
    assert (explanation.refusal, explanation.policies) == (None, ())
    assert explanation.rules[-1].seen == "no [policy] is set: IAM decides who may push a key"


def test_invalid_configuration_leaves_all_rules_unknown() -> None:
    refusal = NotGranted(Reason.CONFIG_INVALID, "x")
    explanation = not_explained(ALICE, Account("alice", 1000, 1000), refusal)
    assert explanation.refusal is refusal
    assert set(states(explanation).values()) == {State.UNKNOWN}
