# SPDX-License-Identifier: Apache-2.0
"""Why one login would be refused."""

from __future__ import annotations

from typing import List, Tuple

import pytest

from eic_sshd.config.schema import build
from eic_sshd.diagnose.login import findings, second_factor
from eic_sshd.diagnose.login_facts import Account, LoginFacts
from eic_sshd.model import caller_pattern, os_users
from eic_sshd.model.public_key import SUPPORTED_TYPES
from eic_sshd.sshd.config_file import Line

OURS = ("authorizedkeyscommand", "/usr/lib/eic-sshd/authorized-keys %u %f")
ALICE = Account("alice", 1000, "/bin/sh", frozenset({"alice", "wheel"}))
ROOT = Account("root", 0, "/bin/sh", frozenset({"root"}))
FACTS = LoginFacts("alice", "192.0.2.7", ALICE, [OURS, ("usepam", "yes")], frozenset(SUPPORTED_TYPES), 20000)


def with_settings(*settings: Tuple[str, str]) -> LoginFacts:
    return FACTS._replace(settings=[*settings, *FACTS.settings])


def with_users(**lists: str) -> LoginFacts:
    found = {name: os_users.of(words.split()) for name, words in lists.items()}
    return FACTS._replace(users=build({"users": dict(found)}).users)


WITH_UID = ("authorizedkeyscommand", "/usr/lib/eic-sshd/authorized-keys --token U=%U %u %f")


def with_policy(os_users_list: str, caller: str = "user/x", uid: bool = True, facts: LoginFacts = FACTS) -> LoginFacts:
    callers = (caller_pattern.parse(f"arn:aws:iam::123456789012:{caller}"),)
    policy = {"callers": callers, "os_users": os_users.of(os_users_list.split())}
    settings = [WITH_UID if uid else OURS, ("usepam", "yes")]
    return facts._replace(policies=build({'policy "p"': policy}).policy, settings=settings)


def codes(facts: LoginFacts) -> List[str]:
    return [one.code for one in findings(facts)]


CASES = {
    "an ordinary login": (FACTS, "login-possible"),
    "a name that cannot be pushed": (FACTS._replace(user="a b"), "user-name-invalid"),
    "no such user": (FACTS._replace(account=None), "user-missing"),
    "another command for the login": (
        FACTS._replace(settings=[("authorizedkeyscommand", "/x %u")]),
        "login-other-command",
    ),
    "no command": (FACTS._replace(settings=[]), "login-other-command"),
    "no public keys": (with_settings(("pubkeyauthentication", "no")), "public-keys-disabled"),
    "a second factor": (with_settings(("authenticationmethods", "publickey,password")), "second-factor"),
    "AllowUsers with the user": (with_settings(("allowusers", "bob"), ("allowusers", "alice")), "login-possible"),
    "AllowUsers with a pattern": (with_settings(("allowusers", "al*")), "login-possible"),
    "AllowUsers with the address": (with_settings(("allowusers", "alice@192.0.2.0/24")), "login-possible"),
    "AllowUsers with another address": (with_settings(("allowusers", "alice@10.0.0.0/8")), "user-not-listed"),
    "AllowUsers without the user": (with_settings(("allowusers", "bob carol")), "user-not-listed"),
    "DenyUsers with the user": (with_settings(("denyusers", "alice")), "user-denied"),
    "DenyUsers with another address": (with_settings(("denyusers", "*@10.0.0.1")), "login-possible"),
    "AllowGroups with a group": (with_settings(("allowgroups", "admins wheel")), "login-possible"),
    "AllowGroups without one": (with_settings(("allowgroups", "admins")), "group-not-listed"),
    "DenyGroups with a group": (with_settings(("denygroups", "w?eel")), "group-denied"),
    "a shell that is not there": (
        FACTS._replace(account=ALICE._replace(login_shell="/bin/x", shell_problem="it does not exist")),
        "shell-unusable",
    ),
    "an account that expires tomorrow": (FACTS._replace(account=ALICE._replace(expires=20001)), "login-possible"),
    "an account that expires today": (FACTS._replace(account=ALICE._replace(expires=20000)), "account-expired"),
    "an account that expires today, without PAM": (
        FACTS._replace(account=ALICE._replace(expires=20000), settings=[OURS]),
        "login-possible",
    ),
    "an account that expired yesterday, without PAM": (
        FACTS._replace(account=ALICE._replace(expires=19999), settings=[OURS]),
        "account-expired",
    ),
    "an inactive password": (
        FACTS._replace(account=ALICE._replace(must_change=True, is_inactive=True)),
        "password-inactive",
    ),
    "an expired password without PAM": (
        FACTS._replace(account=ALICE._replace(must_change=True, is_inactive=True), settings=[OURS]),
        "login-possible",
    ),
    "an account that expired yesterday": (FACTS._replace(account=ALICE._replace(expires=19999)), "account-expired"),
    "a locked account with PAM": (FACTS._replace(account=ALICE._replace(is_locked=True)), "login-possible"),
    "a locked account without PAM": (
        FACTS._replace(account=ALICE._replace(is_locked=True), settings=[OURS]),
        "account-locked",
    ),
    "an expired password": (FACTS._replace(account=ALICE._replace(must_change=True)), "password-expired"),
    "[users] deny": (with_users(deny="alice"), "user-forbidden"),
    "[users] allow without the user": (with_users(allow="bob @admins"), "user-forbidden"),
    "[users] allow with a group": (with_users(allow="bob @wheel"), "login-possible"),
    "[users] skip": (with_users(skip="@wheel"), "user-skipped"),
    "[policy] with the user": (with_policy("bob alice"), "login-possible"),
    "[policy] with a group": (with_policy("@wheel"), "login-possible"),
    "[policy] without the user": (with_policy("bob @admins"), "policy-without-user"),
    "[policy] with a group, without the uid": (with_policy("@wheel", uid=False), "policy-without-user"),
    "[policy] with the user by name, without the uid": (with_policy("alice", uid=False), "login-possible"),
    "[policy] with all users, for root": (
        with_policy("*", facts=FACTS._replace(user="root", account=ROOT)),
        "policy-without-user",
    ),
    "[policy] for another command": (
        with_policy("bob")._replace(settings=[("authorizedkeyscommand", "/x %u")]),
        "login-other-command",
    ),
    "nologin": (FACTS._replace(nologin="/run/nologin"), "nologin"),
    "nologin for root": (FACTS._replace(user="root", account=ROOT, nologin="/run/nologin"), "login-possible"),
    "root, who may": (FACTS._replace(user="root", account=ROOT), "login-possible"),
    "root, who may not": (
        with_settings(("permitrootlogin", "no"))._replace(user="root", account=ROOT),
        "root-login-denied",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_login_of(case: str) -> None:
    facts, code = CASES[case]
    assert codes(facts) == [code]


def test_a_list_with_addresses_is_unknown_without_the_address() -> None:
    facts = with_settings(("allowusers", "alice@10.0.0.0/8"))._replace(address=None)
    assert codes(facts) == ["address-needed"]
    assert codes(facts._replace(settings=[("allowusers", "alice@10.0.0.0/8 alice"), *FACTS.settings])) == [
        "login-possible"
    ]


def command(facts: LoginFacts) -> str:
    (found,) = findings(facts)
    return found.command


def allow_users(value: str, user: str = "alice", file: str = "/etc/ssh/sshd_config") -> LoginFacts:
    line = Line(file, 3, "allowusers", value, None)
    return with_settings(("allowusers", value))._replace(user=user, lines=[line])


def test_command_adds_the_user_to_the_line_that_lists_users() -> None:
    assert command(allow_users("bob")) == ("sed -i '3s/$/ alice/' /etc/ssh/sshd_config && systemctl reload ssh.service")


@pytest.mark.parametrize(
    "facts",
    [
        allow_users("bob # a comment"),
        allow_users('"bob"'),
        allow_users("bob", user="alice$"),
        allow_users("bob", file="/etc/ssh/x;reboot"),
    ],
)
def test_no_command_where_the_line_or_the_name_could_mean_something_else(facts: LoginFacts) -> None:
    assert command(facts) == ""


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("a shell that is not there", "usermod --shell /bin/sh alice"),
        ("an account that expired yesterday", "chage --expiredate -1 alice"),
        ("an inactive password", "chage --maxdays -1 --lastday 20000 alice"),
        ("nologin", "rm /run/nologin"),
    ],
)
def test_command_that_corrects(case: str, expected: str) -> None:
    assert command(CASES[case][0]) == expected


@pytest.mark.parametrize(
    ("case", "problem", "remedy"),
    [
        ("[policy] without the user", "none lets a caller log in as alice", "Add alice to os_users of a [policy]; "),
        ("[policy] with a group, without the uid", "alice counts as root", "Run `eic-sshd enable`, "),
        ("[policy] with all users, for root", "as a system account requires (uid 0)", "Add root to os_users"),
    ],
)
def test_what_a_policy_lacks_for_the_user(case: str, problem: str, remedy: str) -> None:
    (found,) = findings(CASES[case][0])
    assert found.subject == "[policy]"
    assert problem in found.problem
    assert found.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("command", "usual", "problem", "remedy"),
    [
        ("/x %u", OURS[1], "another AuthorizedKeysCommand and not eic-sshd (/x %u)", "Remove that line from its Match"),
        ("none", OURS[1], "does not run eic-sshd (AuthorizedKeysCommand none)", "Remove that line from its Match"),
        ("none", "none", "does not run eic-sshd (AuthorizedKeysCommand none)", "Run `eic-sshd enable`"),
        ("/x %u", "/x %u", "another AuthorizedKeysCommand and not eic-sshd (/x %u)", "`eic-sshd doctor --only sshd`"),
    ],
)
def test_a_match_block_is_named_only_where_there_is_one(command: str, usual: str, problem: str, remedy: str) -> None:
    facts = FACTS._replace(settings=[("authorizedkeyscommand", command)], usual_command=usual)
    (found,) = findings(facts)
    assert problem in found.problem
    assert found.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("methods", "count"),
    [
        ("any", 0),
        ("publickey", 0),
        ("publickey,password publickey", 0),
        ("publickey,password", 1),
        ("publickey,keyboard-interactive:pam publickey,password", 1),
        ("password", 0),  # reported as a setting by which no key logs in
    ],
)
def test_a_second_factor_is_a_warning_unless_a_list_has_a_key_alone(methods: str, count: int) -> None:
    assert len(list(second_factor({"authenticationmethods": methods}, "sshd"))) == count
