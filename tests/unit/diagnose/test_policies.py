# SPDX-License-Identifier: Apache-2.0
"""Findings about [users] and [policy]."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import pytest

from eic_sshd import client
from eic_sshd.config.schema import build
from eic_sshd.config.values import os_users
from eic_sshd.decide.policy import Account, policies_of
from eic_sshd.diagnose import policies
from eic_sshd.diagnose.finding import Severity
from eic_sshd.model import caller_pattern, keys_command
from eic_sshd.model.os_users import Memberships
from eic_sshd.model.reasons import NotGranted
from eic_sshd.sshd.drop_in import PLAIN, has_valid_arguments, is_of_older_version, passes_uid
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from eic_sshd.sshd.site import Site

ALICE = "arn:aws:iam::123456789012:user/alice"


def found(settings: Dict[str, Dict[str, object]]) -> List[Tuple[str, Severity, str]]:
    return [(one.code, one.severity, one.subject) for one in policies.problems(build(settings))]


def policy(caller: str, users: str) -> Dict[str, object]:
    return {"callers": (caller_pattern.parse(caller),), "os_users": os_users(users)}


def bad(settings: Dict[str, Dict[str, object]]) -> List[Tuple[str, Severity, str]]:
    return [one for one in found(settings) if one[1] is not Severity.OK]


def test_ordinary_policy_has_nothing_wrong() -> None:
    assert bad({'policy "a"': policy(ALICE, "ec2-user")}) == []


@pytest.mark.parametrize(("removed", "subject"), [("callers", "callers"), ("os_users", "os_users")])
def test_policy_without_callers_or_users_is_a_problem(removed: str, subject: str) -> None:
    whole = policy(ALICE, "a")
    del whole[removed]
    assert bad({'policy "a"': whole}) == [("policy-empty", Severity.PROBLEM, f'[policy "a"] {subject}')]


def test_trap_in_a_pattern_is_a_warning_with_the_pattern() -> None:
    text = "arn:aws:iam::*:user/alice"
    finding, _ = policies.problems(build({'policy "a"': policy(text, "a")}))
    assert (finding.code, finding.severity) == ("policy-trap", Severity.WARNING)
    assert finding.problem.startswith(f"{text}: the account is a wildcard")


@pytest.mark.parametrize("setting", ["deny", "allow", "skip"])
def test_note_says_which_keys_users_does_not_reach(setting: str) -> None:
    assert found({"users": {setting: os_users("a")}}) == [("users-scope", Severity.OK, "[users]")]


def test_note_says_which_keys_policy_does_not_reach() -> None:
    assert found({'policy "a"': policy(ALICE, "a")}) == [("users-scope", Severity.OK, "[policy]")]
    both: Dict[str, Dict[str, object]] = {'policy "a"': policy(ALICE, "a"), "users": {"deny": os_users("a")}}
    assert found(both) == [("users-scope", Severity.OK, "[users] and [policy]")]


def exists(group: str) -> bool:
    return group != "gone"


def test_group_that_does_not_exist_is_a_warning_with_its_setting() -> None:
    config = build(
        {
            "users": {"deny": os_users("gone @wheel @gone"), "skip": os_users("@gone")},
            'policy "a"': policy(ALICE, "@gone"),
            'policy "b"': policy(ALICE, "@wheel"),
        }
    )
    missing = [one for one in policies.problems(config, exists) if one.code == "group-missing"]
    assert [(one.severity, one.subject) for one in missing] == [
        (Severity.WARNING, "[users] deny"),
        (Severity.WARNING, "[users] skip"),
        (Severity.WARNING, '[policy "a"] os_users'),
    ]
    assert "@gone" in missing[0].problem


def test_groups_that_cannot_be_looked_up_in_time_are_unknown() -> None:
    def hangs(_group: str) -> bool:
        raise TimeoutError

    config = build({"users": {"deny": os_users("@a @b")}})
    codes = [(one.code, one.severity) for one in policies.problems(config, hangs)]
    assert codes[0] == ("groups-unknown", Severity.UNKNOWN)
    assert len(codes) == 2  # and the note


def test_groups_of_this_machine_are_looked_up() -> None:
    config = build({"users": {"deny": os_users("@root @no-such-group")}})
    (missing,) = (one for one in policies.problems(config) if one.code == "group-missing")
    assert "@no-such-group" in missing.problem
    assert "@root" not in missing.problem


PERSON, ROOT = Account("alice", 1000, 1000), Account("root", 0, 1000)
OF_USER = "arn:aws:sts::123456789012:assumed-role/Dev/${os_user}"


@pytest.mark.parametrize(
    ("caller", "users", "account", "is_possible"),
    [
        (ALICE, "alice", PERSON, True),
        (ALICE, "bob", PERSON, False),
        (ALICE, "al*", PERSON, True),
        (ALICE, "@staff", PERSON, True),
        (ALICE, "@other", PERSON, False),
        (OF_USER, "*", PERSON, True),
        (ALICE, "root", ROOT, True),
        (ALICE, "*", ROOT, False),
        (ALICE, "@staff", ROOT, False),
        (OF_USER, "root", ROOT, False),
        (ALICE, "alice", Account("alice", None, 1000), True),
        (ALICE, "al*", Account("alice", None, 1000), False),
        (ALICE, "@staff", Account("alice", 999, 1000), False),
        (ALICE, "alice", Account("alice", 999, 1000), True),
    ],
)
def test_some_caller_may_log_in_where_a_decision_would_let_the_one_of_the_pattern(
    caller: str, users: str, account: Account, is_possible: bool
) -> None:
    config = build({'policy "a"': policy(caller, users), 'policy "b"': policy(ALICE, "carol")})
    assert policies.lets_anyone(config.policy, account, {"staff"}) is is_possible

    def groups_of(_user: str, groups: Sequence[str]) -> Memberships:
        return Memberships(frozenset({"staff"} & set(groups)))

    def decides() -> bool:
        try:
            return bool(policies_of(caller.replace("${os_user}", account.user), account, config.policy, groups_of))
        except NotGranted:
            return False

    assert decides() is is_possible


def test_a_policy_without_callers_lets_nobody_log_in() -> None:
    config = build({'policy "a"': {"callers": (), "os_users": os_users("alice")}})
    assert not policies.lets_anyone(config.policy, PERSON, set())


@pytest.mark.parametrize(
    ("command", "older", "uid"),
    [
        (PLAIN.command, False, True),
        ("/usr/lib/eic-sshd/authorized-keys %u %f", True, False),
        ("/usr/lib/eic-sshd/authorized-keys --token h=%h --token k=%k %u %f", True, False),
        ("/usr/lib/eic-sshd/authorized-keys --token U=%U --token h=%h %u %f", False, True),
        ("/usr/lib/eic-sshd/authorized-keys --token=U=%U %u %f", False, True),
        ("/usr/lib/eic-sshd/authorized-keys --token h=%k %u %f", False, False),
        ("/usr/lib/eic-sshd/authorized-keys --config /etc/other %u %f", False, False),
        ("/usr/bin/true %u %f", False, False),
        ("/usr/lib/eic-sshd/authorized-keys %u %f --token U=%U", False, False),
        ("/usr/lib/eic-sshd/authorized-keys --token U=%U --token U=1000 %u %f", False, False),
        ("/usr/lib/eic-sshd/authorized-keys --token U=1000 --token U=%U %u %f", False, True),
        ("/usr/lib/eic-sshd/authorized-keys --token U=%U -- %u", False, True),
        ("/usr/lib/eic-sshd/authorized-keys --token U=%U", False, False),
        ("/usr/lib/eic-sshd/authorized-keys --token U=%U %u %f %k", False, False),
        ("/usr/lib/eic-sshd/authorized-keys --socket --token U=%U %u %f", False, False),
        ('/usr/lib/eic-sshd/authorized-keys --token "U=%U" %u %f', False, True),
        ("/usr/lib/eic-sshd/authorized-keys --token", False, False),
        ('/usr/lib/eic-sshd/authorized-keys --token "U=%U %u', False, False),
    ],
)
def test_line_of_an_older_version_passes_no_uid(command: str, older: bool, uid: bool) -> None:
    assert (is_of_older_version(command), passes_uid(command)) == (older, uid)


@pytest.mark.parametrize(
    "arguments",
    [
        "--token U=%U %u %f",
        "%u %f --token U=%U",
        "--token U=%U --token U=1 %u %f",
        "--token U=1 --token U=%U %u",
        "--token=U=%U -- %u %f",
        "--token U=%U",
        "--socket --token U=%U %u",
        "--config /x --token U=%U %u",
        "--nonsense x --token U=%U %u",
        "--socket= --token U=%U %u",
        "--config= %u",
        "%u %f %k",
        "",
    ],
)
def test_the_client_reads_the_uid_where_the_line_passes_it(arguments: str) -> None:
    values = {"u": "alice", "f": "SHA256:x", "U": "4242", "k": "AAAA"}
    command = f"/usr/lib/eic-sshd/authorized-keys {arguments}"
    words = keys_command.expand(keys_command.split(command), values)[1:]
    invocation = client.parse(words, 0.0, False)
    read = invocation is not None and invocation.uid == 4242
    assert passes_uid(command) is read
    assert has_valid_arguments(command) is (invocation is not None)


def site(tmp_path: Path, config: str) -> Site:
    path = tmp_path / "sshd_config"
    path.write_text(config)
    return Site(Sshd("/no/such/sshd", str(path)), Processes(), root=str(tmp_path))


OURS = "/usr/lib/eic-sshd/authorized-keys"


def test_lines_that_do_not_pass_the_uid_are_named_in_match_blocks_too(tmp_path: Path) -> None:
    text = f"""AuthorizedKeysCommand {OURS} --token U=%U %u %f
Match User alice
AuthorizedKeysCommand {OURS} %u %f
Match User bob
AuthorizedKeysCommand {OURS} --token U=%U %u
Match User carol
AuthorizedKeysCommand /usr/bin/true %u
"""
    config = build({'policy "a"': policy(ALICE, "a")})
    (warned,) = policies.uid_warnings(site(tmp_path, text), config)
    assert (warned.code, warned.severity) == ("uid-not-passed", Severity.WARNING)
    assert warned.subject == f"{tmp_path}/sshd_config:3"
    assert "`Match User alice`" in warned.problem
    assert list(policies.uid_warnings(site(tmp_path, text), build({}))) == []


def test_the_line_outside_of_match_blocks_that_does_not_pass_the_uid_is_named_once(tmp_path: Path) -> None:
    config = build({'policy "a"': policy(ALICE, "a")})
    text = f"AuthorizedKeysCommand {OURS} %u %f\nMatch all\nPasswordAuthentication no\n"
    (warned,) = policies.uid_warnings(site(tmp_path, text), config)
    assert warned.subject == "AuthorizedKeysCommand"
