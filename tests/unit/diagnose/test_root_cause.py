# SPDX-License-Identifier: Apache-2.0
"""Of the findings of each way in which such set-ups break, one is shown: the root cause."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import List, Set

import pytest

from eic_sshd.diagnose import root_cause
from eic_sshd.diagnose.check import ABOUT, Result
from eic_sshd.diagnose.finding import Finding, Severity
from eic_sshd.diagnose.root_cause import diagnose
from eic_sshd.model.reasons import Reason
from tools.documents import ROOT

# The marks of severities in the table.
MARKS = {"!": Severity.PROBLEM, "~": Severity.WARNING, "?": Severity.UNKNOWN, "=": Severity.OK}


def result(text: str) -> Result:
    """`MARK CHECK/CODE` as a result."""
    check, _, code = text[1:].partition("/")
    return Result(check, Finding(code, MARKS[text[0]], "s", "p"))


def results(text: str) -> List[Result]:
    return [result(one) for one in text.split()]


# What doctor finds in each case, the root cause first; then what follows from it.
BREAKAGES = {
    "1 sshd has another command": "!sshd/other-command !login/login-other-command !services/socket-unit-disabled",
    "2 the unit overrides the command": "!sshd/sshd-option-override !login/login-other-command "
    "!running-sshd/sshd-not-reloaded",
    "3 an earlier drop-in wins": "!sshd/other-command !services/socket-unit-inactive",
    "4 a Match block": "~sshd/match-block-command !login/login-other-command",
    "5 no Include line": "!sshd/not-included !services/socket-unit-disabled !login/login-other-command",
    "5 our file is gone": "!sshd/not-enabled !services/socket-unit-disabled !login/login-other-command",
    "6 sshd was not reloaded": "!running-sshd/sshd-not-reloaded ~records/recent-program-unusable",
    "7 no public keys": "~settings/public-keys-disabled !login/public-keys-disabled ~other-logins/no-other-login",
    "7 a second factor": "~settings/second-factor ~login/second-factor",
    "8 no type is accepted": "~settings/key-types-not-accepted !login/key-types-not-accepted",
    "9 AllowUsers": "!login/user-not-listed ~records/user-not-allowed",
    "9 a shell that is not there": "!login/shell-unusable",
    "10 an unsafe path": "!program/program-unsafe ~records/recent-program-unsafe",
    "11 a folder of mode 0700": "!program/program-unusable ~records/recent-program-unusable "
    "!configuration/config-unusable",
    "11 another Python": "!program/python-replaced !program/library-unusable ?imds/check-failed ?trust/check-failed "
    "~records/recent-library-unusable !services/service-failed",
    "12 the user is missing": "!program/account-missing !sshd/command-user-unusable ?imds/check-failed "
    "?trust/check-failed !services/service-failed ~records/recent-account-missing",
    "13 SELinux": "!selinux/selinux-policy-missing ~records/recent-imds-unreachable",
    "13 SELinux denies": "!selinux/selinux-denials ~records/recent-imds-unreachable !trust/imds-unreachable",
    "14 IMDS is turned off": "!imds/imds-disabled !trust/imds-disabled ?clock/clock-unknown "
    "~records/recent-imds-disabled",
    "15 a firewall by user": "!imds/imds-blocked-for-user !trust/imds-unreachable ~records/recent-imds-unreachable",
    "15 IPAddressAllow": "!services/imds-address-denied ~records/recent-imds-unreachable",
    "16 the hop limit": "!imds/imds-hop-limit !trust/imds-unreachable ?clock/clock-unknown "
    "~records/recent-imds-unreachable",
    "17 another program in place of IMDS": "~imds/imds-impostor !trust/signer-untrusted "
    "~records/recent-signer-untrusted",
    "17 another instance": "!imds/imds-impostor !trust/not-ec2 !clock/clock-wrong",
    "18 the clock": "!clock/clock-wrong !trust/staple-invalid ~records/recent-expired",
    "19 the bundle of roots": "!configuration/roots-unusable !trust/signer-untrusted ~records/recent-signer-untrusted",
    "19 no openssl": "!trust/openssl-missing ~records/recent-openssl-missing",
    "19 a stale staple": "!trust/staple-invalid ~records/recent-staple-invalid",
    "20 an expired account": "!login/account-expired ~records/pam-denied",
    "20 a password that expired long ago": "!login/password-inactive ~records/pam-denied",
    "20 nologin": "!login/nologin ~records/pam-denied",
    "21 too many keys": "~records/too-many-keys",
    "22 penalties": "~records/connections-dropped",
    "23 no other login method": "~other-logins/no-other-login",
    "24 a masked socket": "!services/unit-masked !services/socket-missing",
    "24 a failed service": "!services/service-failed ~records/recent-authorizer-failed",
    "25 a user database behind the network": "~user-database/user-database-unreachable",
    "26 certificate logins": "!sshd/other-setting-changed",
}


@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize("backwards", [False, True])
def test_one_root_cause_is_shown_for(breakage: str, backwards: bool) -> None:
    found = results(BREAKAGES[breakage])
    in_order = list(reversed(found)) if backwards else found
    diagnosis = diagnose([*in_order, result("=selinux/ok")])
    cause = found[0].finding.code
    assert [one.finding.code for one in diagnosis.shown if one.finding.severity is not Severity.OK] == [cause]
    assert diagnosis.root_cause is not None
    assert diagnosis.root_cause.finding.code == cause
    assert diagnosis.number_hidden == len(found) - 1
    assert {one.hidden_by for one in diagnosis.results} <= {None, cause}


def test_the_table_has_all_26_breakages() -> None:
    assert {int(name.split()[0]) for name in BREAKAGES} == set(range(1, 27))


def test_independent_problems_are_all_shown_and_the_first_is_the_root_cause() -> None:
    diagnosis = diagnose(results("~records/too-many-keys !services/unit-masked !login/nologin"))
    assert len(diagnosis.shown) == 3
    assert diagnosis.root_cause is not None
    assert diagnosis.root_cause.finding.code == "unit-masked"


def test_nothing_wrong_has_no_root_cause() -> None:
    diagnosis = diagnose(results("=sshd/ok =imds/imds-answers"))
    assert (diagnosis.root_cause, diagnosis.number_hidden, len(diagnosis.shown)) == (None, 0, 2)


@pytest.mark.parametrize("cause", ["selinux-denials", "selinux-policy-missing"])
@pytest.mark.parametrize(
    "other",
    ["!imds/imds-disabled", "!imds/imds-error", "!trust/signer-untrusted", "!trust/staple-invalid", "!trust/not-ec2",
     "!clock/clock-wrong", "~imds/imds-impostor", "~records/recent-imds-disabled", "~records/recent-staple-invalid"],
)  # fmt: skip
def test_what_shows_that_imds_was_reached_does_not_follow_from_selinux(cause: str, other: str) -> None:
    assert diagnose(results(f"!selinux/{cause} {other}")).number_hidden == 0


@pytest.mark.parametrize(
    "cause",
    ["!imds/imds-unreachable", "!imds/imds-disabled", "!program/program-missing", "!running-sshd/sshd-not-reloaded",
     "!configuration/config-invalid", "!trust/openssl-missing", "!clock/clock-wrong"],
)  # fmt: skip
def test_a_refusal_that_may_be_an_attack_follows_from_no_ordinary_fault(cause: str) -> None:
    assert diagnose(results(f"{cause} ~records/recent-bad-signature")).number_hidden == 0
    assert diagnose(results(f"{cause} ~records/recent-instance-mismatch")).number_hidden == 0


def test_a_refusal_that_may_be_an_attack_follows_from_what_answers_in_place_of_imds() -> None:
    assert diagnose(results("!imds/imds-impostor ~records/recent-bad-signature")).number_hidden == 1


def test_what_is_unknown_is_no_root_cause() -> None:
    diagnosis = diagnose(results("?sshd/needs-root ?clock/clock-unknown =imds/imds-answers"))
    assert (diagnosis.root_cause, len(diagnosis.shown)) == (None, 3)


def test_what_is_in_order_is_never_hidden() -> None:
    assert len(diagnose(results("!program/program-missing =imds/imds-answers")).shown) == 2


def test_a_warning_from_which_a_problem_follows_is_shown_as_a_problem() -> None:
    diagnosis = diagnose(results("~imds/imds-impostor !trust/signer-untrusted"))
    assert [one.finding.severity for one in diagnosis.shown] == [Severity.PROBLEM]


def test_a_warning_alone_stays_a_warning() -> None:
    diagnosis = diagnose(results("~imds/imds-impostor =trust/signer-verified"))
    assert diagnosis.shown[0].finding.severity is Severity.WARNING


def test_the_instance_of_a_sandbox_hides_no_problem_of_its_signer() -> None:
    diagnosis = diagnose(results("~imds/imds-unusual-server !trust/staple-invalid"))
    assert diagnosis.number_hidden == 0


def test_a_code_never_leads_to_itself() -> None:
    assert len(diagnose(results("!trust/imds-disabled")).shown) == 1


def codes_of_product() -> Set[str]:
    """The first argument of each call that makes a finding."""
    found = {reason.word for reason in Reason}
    for path in (Path(ROOT) / "eic_sshd/diagnose").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
    return found


def test_the_table_of_causes_names_codes_and_checks_that_there_are() -> None:
    known = codes_of_product()
    known |= {f"recent-{code}" for code in known} | {f"{check}/*" for check in ABOUT} | {"recent-*"}
    known |= {f"{check}/{code}" for check in ABOUT for code in known if "/" not in code}
    named = {*root_cause._FOLLOWS, *(code for codes in root_cause._FOLLOWS.values() for code in codes)}
    assert named - known == set()


def test_documents_name_codes_and_checks_that_there_are() -> None:
    known = codes_of_product() | set(ABOUT)
    rows = re.findall(r"^\| (`[a-z].*?) \|", (Path(ROOT) / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    assert len(rows) > 30
    named = {word for row in rows for word in re.findall(r"`([a-z][a-z0-9-]+)`", row)}
    assert named - known == set()
    text = (Path(ROOT) / "docs/doctor.md").read_text()
    assert [check for check in ABOUT if f"| `{check}` |" not in text] == []
