# SPDX-License-Identifier: Apache-2.0
"""The checks of `eic-sshd doctor` on a site with a real sshd: one root cause for each change to it."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, List

import pytest

from eic_sshd.diagnose import check, checklist
from eic_sshd.diagnose.finding import Severity
from eic_sshd.diagnose.root_cause import Diagnosis, diagnose
from testbed import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")

# The others look at the whole machine.
CHECKS = ("configuration", "sshd", "settings", "login")
USER = private_host.COMMAND_USER


def examine(machine: Machine, user: str = USER) -> Diagnosis:
    question = checklist.Question(machine.site, user, "192.0.2.7")
    chosen = [one for one in checklist.checks(question) if one.name in CHECKS]
    return diagnose(check.run(chosen, 60, is_root=True))


def wrong(diagnosis: Diagnosis) -> List[str]:
    return [one.finding.code for one in diagnosis.shown if one.finding.severity is not Severity.OK]


BREAKAGES: Dict[str, Callable[[Machine], None]] = {
    "other-command": lambda machine: machine.sshd_config(OTHER + INCLUDE),
    "not-included": lambda machine: machine.sshd_config(""),
    "not-enabled": lambda machine: Path(machine.site.drop_in).unlink(),
    "command-arguments-wrong": lambda machine: machine.sshd_config(
        "AuthorizedKeysCommand /usr/lib/eic-sshd/authorized-keys %u %f %k\n"
        f"AuthorizedKeysCommandUser eic-sshd\n{INCLUDE}"
    ),
    "sshd-config-invalid": lambda machine: machine.sshd_config(INCLUDE + "NoSuchKeyword yes\n"),
    "sshd-option-override": lambda machine: machine.write("etc/default/ssh", "SSHD_OPTS=-oAuthorizedKeysCommand=/x\n"),
    "match-block-command": lambda machine: machine.sshd_config(f"{INCLUDE}Match User {USER}\n{OTHER}"),
    "public-keys-disabled": lambda machine: machine.sshd_config(INCLUDE + "PubkeyAuthentication no\n"),
    "second-factor": lambda machine: machine.sshd_config(INCLUDE + "AuthenticationMethods publickey,password\n"),
    "key-type-not-accepted": lambda machine: machine.sshd_config(INCLUDE + "PubkeyAcceptedAlgorithms ssh-ed25519\n"),
    "user-not-listed": lambda machine: machine.sshd_config(INCLUDE + "AllowUsers nobody-else\n"),
    "user-denied": lambda machine: machine.sshd_config(f"{INCLUDE}DenyUsers {USER}@192.0.2.0/24\n"),
    "config-invalid": lambda machine: machine.write("eic-sshd/eic-sshd.conf", "[nonsense]\n"),
    "user-forbidden": lambda machine: machine.write("eic-sshd/eic-sshd.conf", f"[users]\ndeny = {USER}\n"),
}


@pytest.fixture
def enabled(machine: Machine) -> Machine:
    machine.sshd_config(f"{INCLUDE}UsePAM yes\n")
    machine.enable()
    before = machine.sshd_config
    machine.sshd_config = lambda text: before(f"UsePAM yes\n{text}")  # type: ignore[method-assign]
    return machine


def test_an_enabled_site_has_nothing_wrong(enabled: Machine) -> None:
    diagnosis = examine(enabled)
    assert wrong(diagnosis) == [], diagnosis.shown
    assert diagnosis.root_cause is None


@pytest.mark.parametrize("code", BREAKAGES)
def test_root_cause_is(enabled: Machine, code: str) -> None:
    BREAKAGES[code](enabled)
    diagnosis = examine(enabled)
    assert wrong(diagnosis) == [code], diagnosis.results
    assert diagnosis.root_cause is not None
    assert diagnosis.root_cause.finding.code == code


def test_invalid_setting_is_shown_with_its_own_file_and_a_remedy(enabled: Machine) -> None:
    enabled.write("eic-sshd/conf.d/50: site.conf", "[keys]\nwindow = x\n")
    diagnosis = examine(enabled)
    assert diagnosis.root_cause is not None
    finding = diagnosis.root_cause.finding
    assert finding.subject.endswith("conf.d/50: site.conf:2")
    assert finding.problem == "[keys] window is invalid ('x')"
    assert finding.remedy.startswith("Use a whole number from 1 to 3600")
