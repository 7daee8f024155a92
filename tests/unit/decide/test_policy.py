# SPDX-License-Identifier: Apache-2.0
"""Rules 0 and 9: which users eic-sshd answers for, and which callers may be whom."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import pytest

from eic_sshd.config import loader
from eic_sshd.config.access import PolicySettings, UsersSettings
from eic_sshd.config.values import os_users
from eic_sshd.decide import policy
from eic_sshd.decide.policy import Account
from eic_sshd.model import caller_pattern
from eic_sshd.model.os_users import Memberships
from eic_sshd.model.reasons import NotGranted, Reason
from tests import policies

ANY = "arn:aws:iam::123456789012:user/*"
CALLER = "arn:aws:iam::123456789012:user/alice"


class Directory:
    """A directory of groups; `asked` has the groups that were looked up."""

    def __init__(self, memberships: Mapping[str, Sequence[str]], known: Sequence[str]) -> None:
        self._memberships = memberships
        self._known = known
        self.asked: List[Tuple[str, ...]] = []

    def of(self, user: str, groups: Sequence[str]) -> Memberships:
        self.asked.append(tuple(groups))
        own = self._memberships.get(user, ())
        return Memberships(frozenset(groups) & frozenset(own), frozenset(groups) - frozenset(self._known))


def written(tmp_path: Path, text: str) -> Dict[str, PolicySettings]:
    file = tmp_path / "eic-sshd.conf"
    file.write_text(text)
    file.chmod(0o600)
    return dict(loader.load(str(file)).policy)


def allowing(*callers: str, users: str) -> Dict[str, PolicySettings]:
    patterns = tuple(map(caller_pattern.parse, callers))
    return {"one": PolicySettings(callers=patterns, os_users=os_users(users))}


def test_there_are_at_least_sixty_pairs_of_caller_and_account() -> None:
    assert len(policies.PAIRS) >= 60
    assert len(set(policies.PAIRS)) == len(policies.PAIRS)


@pytest.mark.parametrize(("caller", "user", "uid", "expected"), policies.PAIRS)
def test_pair_of_caller_and_account_is_allowed_by_these_policies(
    tmp_path: Path, caller: str, user: str, uid: int, expected: Tuple[str, ...]
) -> None:
    configured = written(tmp_path, policies.POLICIES)
    directory = Directory(policies.MEMBERSHIPS, policies.GROUPS)
    account = Account(user, uid, 1000)
    if expected:
        assert policy.policies_of(caller, account, configured, directory.of) == expected
        return
    with pytest.raises(NotGranted) as caught:
        policy.policies_of(caller, account, configured, directory.of)
    assert caught.value.reason in (Reason.CALLER_FORBIDDEN, Reason.CALLER_MALFORMED)


@pytest.mark.parametrize("user", ["ec2-user", "root"])
@pytest.mark.parametrize("caller", [CALLER, None, "nonsense"])
def test_without_a_policy_every_caller_may_be_every_user(user: str, caller: Optional[str]) -> None:
    assert policy.policies_of(caller, Account(user, None, 1000), {}, Directory({}, ()).of) == ()


@pytest.mark.parametrize(
    ("caller", "reason"),
    [(None, Reason.CALLER_MISSING), ("", Reason.CALLER_MALFORMED), (CALLER + "x", Reason.CALLER_FORBIDDEN)],
)
def test_caller_that_no_policy_can_have_is_refused_with_its_reason(caller: Optional[str], reason: Reason) -> None:
    with pytest.raises(NotGranted) as caught:
        policy.policies_of(caller, Account("a", 1000, 1000), allowing(CALLER, users="*"), Directory({}, ()).of)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("uid", "users", "callers", "allowed"),
    [
        (1000, "a", [ANY], True),
        (1000, "*", [ANY], True),
        (1000, "@g", [ANY], True),
        (1000, "a", ["arn:aws:iam::123456789012:user/${os_user}lice"], True),
        (999, "a", [ANY], True),
        (999, "*", [ANY], False),
        (999, "a?", [ANY], False),
        (999, "@g", [ANY], False),
        (999, "a", ["arn:aws:iam::123456789012:user/${os_user}lice"], False),
        (999, "a", ["arn:aws:iam::123456789012:user/${os_user}lice", ANY], True),
        (0, "a", [ANY], True),
        (0, "*", [ANY], False),
        (None, "a", [ANY], True),
        (None, "*", [ANY], False),
        (None, "@g", [ANY], False),
    ],
)
def test_root_and_system_accounts_must_be_named(
    uid: Optional[int], users: str, callers: List[str], allowed: bool
) -> None:
    directory = Directory({"a": ("g",)}, ("g",))
    arguments = (CALLER, Account("a", uid, 1000), allowing(*callers, users=users), directory.of)
    if allowed:
        assert policy.policies_of(*arguments) == ("one",)
        return
    with pytest.raises(NotGranted) as caught:
        policy.policies_of(*arguments)
    assert caught.value.reason is Reason.CALLER_FORBIDDEN
    assert ("root" if uid is None else f"uid {uid}") in caught.value.detail


def test_refusal_names_the_caller_and_the_user() -> None:
    with pytest.raises(NotGranted) as caught:
        policy.policies_of(CALLER, Account("b", 1000, 1000), allowing(CALLER, users="a"), Directory({}, ()).of)
    assert caught.value.detail == f"no [policy] lets {CALLER} log in as b"


def test_groups_are_looked_up_only_where_the_caller_matched() -> None:
    directory = Directory({"a": ("g",)}, ("g",))
    other = allowing("arn:aws:iam::123456789012:user/bob", users="@g")
    with pytest.raises(NotGranted):
        policy.policies_of(CALLER, Account("a", 1000, 1000), other, directory.of)
    assert directory.asked == []
    policy.policies_of(CALLER, Account("a", 1000, 1000), allowing(CALLER, users="a @g"), directory.of)
    assert directory.asked == []
    policy.policies_of(CALLER, Account("a", 1000, 1000), allowing(CALLER, users="@g"), directory.of)
    assert directory.asked == [("g",)]


def test_group_that_cannot_be_looked_up_is_no_membership_and_no_refusal_of_another_policy() -> None:
    directory = Directory({}, ())
    configured = {**allowing(CALLER, users="@gone"), "other": allowing(CALLER, users="b")["one"]}
    assert policy.policies_of(CALLER, Account("b", 1000, 1000), configured, directory.of) == ("other",)
    with pytest.raises(NotGranted) as caught:
        policy.policies_of(CALLER, Account("a", 1000, 1000), configured, directory.of)
    assert caught.value.reason is Reason.GROUPS_UNKNOWN
    assert "@gone" in caught.value.detail


# Rule 0.

FORBIDDEN, SKIPPED = Reason.USER_FORBIDDEN, Reason.USER_SKIPPED
UNKNOWN, SKIP_UNKNOWN = Reason.USER_GROUPS_UNKNOWN, Reason.SKIP_GROUPS_UNKNOWN


@pytest.mark.parametrize(
    ("deny", "skip", "allow", "user", "reason"),
    [
        ("", "", "", "a", None),
        ("b", "b", "", "a", None),
        ("a", "", "", "a", FORBIDDEN),
        ("a", "a", "a", "a", FORBIDDEN),
        ("*", "", "", "root", FORBIDDEN),
        ("@g", "", "", "a", FORBIDDEN),
        ("@h", "", "", "a", None),
        ("a?", "", "", "ab", FORBIDDEN),
        ("", "a", "a", "a", SKIPPED),
        ("", "a", "b", "a", SKIPPED),
        ("", "@g", "", "a", SKIPPED),
        ("", "*", "", "root", SKIPPED),
        ("", "", "b", "a", FORBIDDEN),
        ("", "", "a", "a", None),
        ("", "", "@g", "a", None),
        ("", "", "@h", "a", FORBIDDEN),
        ("", "", "*", "root", None),
        ("@gone", "", "", "a", UNKNOWN),
        ("@gone a", "", "", "a", FORBIDDEN),
        ("@gone @g", "", "", "a", FORBIDDEN),
        ("", "@gone", "", "a", SKIP_UNKNOWN),
        ("", "@gone", "a", "a", SKIP_UNKNOWN),
        ("", "@gone", "b", "a", FORBIDDEN),
        ("", "@gone", "@gone", "a", UNKNOWN),
        ("a", "@gone", "", "a", FORBIDDEN),
        ("", "@gone a", "b", "a", SKIPPED),
        ("", "", "@gone", "a", UNKNOWN),
        ("", "", "@gone @g", "a", None),
        ("", "", "@gone a", "a", None),
    ],
)
def test_deny_is_read_before_skip_and_skip_before_allow(
    deny: str, skip: str, allow: str, user: str, reason: Optional[Reason]
) -> None:
    users = UsersSettings(deny=os_users(deny), skip=os_users(skip), allow=os_users(allow))
    directory = Directory({"a": ("g",)}, ("g", "h"))
    refusal = NotGranted(Reason.CONFIG_INVALID, "why")
    if reason is None:
        policy.require_user(user, users, directory.of)
        assert policy.first_refusal(user, users, directory.of, refusal) is refusal
        return
    with pytest.raises(NotGranted) as caught:
        policy.require_user(user, users, directory.of)
    assert caught.value.reason is reason
    assert policy.first_refusal(user, users, directory.of, refusal).reason is reason


def test_list_without_groups_needs_no_directory() -> None:
    directory = Directory({}, ())
    with pytest.raises(NotGranted):
        policy.policies_of(CALLER, Account("b", 1000, 1000), allowing(CALLER, users="a"), directory.of)
    policy.require_user("b", UsersSettings(deny=os_users("a")), directory.of)
    assert directory.asked == []


@pytest.mark.parametrize("uid_min", [0, 1, 1000])
def test_root_is_a_system_account_whatever_the_first_ordinary_uid_is(uid_min: int) -> None:
    with pytest.raises(NotGranted) as caught:
        policy.policies_of(CALLER, Account("root", 0, uid_min), allowing(ANY, users="*"), Directory({}, ()).of)
    assert caught.value.reason is Reason.CALLER_FORBIDDEN
