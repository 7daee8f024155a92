# SPDX-License-Identifier: Apache-2.0
"""Findings about [users] and [policy]."""

from __future__ import annotations

from typing import Dict, List, Tuple

import pytest

from eic_sshd.config.schema import build
from eic_sshd.config.values import os_users
from eic_sshd.diagnose import policies
from eic_sshd.diagnose.finding import Severity
from eic_sshd.model import caller_pattern
from eic_sshd.sshd.drop_in import PLAIN, is_of_older_version, passes_uid

ALICE = "arn:aws:iam::123456789012:user/alice"


def found(settings: Dict[str, Dict[str, object]]) -> List[Tuple[str, Severity, str]]:
    return [(one.code, one.severity, one.subject) for one in policies.problems(build(settings))]


def policy(caller: str, users: str) -> Dict[str, object]:
    return {"callers": (caller_pattern.parse(caller),), "os_users": os_users(users)}


def test_ordinary_policy_has_no_finding() -> None:
    assert found({'policy "a"': policy(ALICE, "ec2-user")}) == []


@pytest.mark.parametrize(("removed", "subject"), [("callers", "callers"), ("os_users", "os_users")])
def test_policy_without_callers_or_users_is_a_problem(removed: str, subject: str) -> None:
    whole = policy(ALICE, "a")
    del whole[removed]
    assert found({'policy "a"': whole}) == [("policy-empty", Severity.PROBLEM, f'[policy "a"] {subject}')]


def test_trap_in_a_pattern_is_a_warning_with_the_pattern() -> None:
    text = "arn:aws:iam::*:user/alice"
    (finding,) = policies.problems(build({'policy "a"': policy(text, "a")}))
    assert (finding.code, finding.severity) == ("policy-trap", Severity.WARNING)
    assert finding.problem.startswith(f"{text}: the account is a wildcard")


@pytest.mark.parametrize(("setting", "count"), [("deny", 1), ("allow", 1), ("skip", 0)])
def test_note_says_which_keys_users_does_not_reach(setting: str, count: int) -> None:
    assert len(found({"users": {setting: os_users("a")}})) == count


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
    ],
)
def test_line_of_an_older_version_passes_no_uid(command: str, older: bool, uid: bool) -> None:
    assert (is_of_older_version(command), passes_uid(command)) == (older, uid)
