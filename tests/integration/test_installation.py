# SPDX-License-Identifier: Apache-2.0
"""The findings of a site that has changed since it was enabled."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from eic_sshd.diagnose.finding import Finding, error
from eic_sshd.sshd.drop_in import PLAIN
from testbed import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")


def test_an_enabled_site_has_no_findings(machine: Machine) -> None:
    assert machine.problems() == ["sshd: it does not run eic-sshd. Run `eic-sshd enable`."]
    machine.enable()
    assert machine.problems() == []
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    assert machine.problems() == []


def test_a_change_to_the_site_after_enabling_is_a_finding_with_the_remedy(machine: Machine) -> None:
    machine.enable()
    machine.sshd_config(INCLUDE + OTHER)
    assert "Run `eic-sshd enable --chain` to put" in machine.problems()[0]
    assert "or `eic-sshd enable --replace` to put" in machine.problems()[0]
    machine.enable(chain=True)
    machine.sshd_config(INCLUDE + OTHER.replace("true", "false"))
    assert "eic-sshd runs /usr/bin/true %u in place of AuthorizedKeysCommand /usr/bin/false %u" in machine.problems()[0]
    machine.sshd_config(INCLUDE)
    assert (
        "[chain] command is no longer in sshd's configuration (/usr/bin/true %u). Run `eic-sshd enable` to stop"
        in machine.problems()[0]
    )
    machine.sshd_config(INCLUDE + OTHER)
    Path(machine.site.our_config).chmod(0o640)
    assert "the configuration is invalid for nobody, the user that sshd runs eic-sshd as" in machine.problems()[0]
    machine.sshd_config("NoSuchKeyword yes\n")
    assert "NoSuchKeyword" in machine.problems()[0]
    machine.write("etc/default/ssh", "SSHD_OPTS=-oAuthorizedKeysCommand=/x\n")
    assert (
        "etc/default/ssh:1: sshd is started with -o AuthorizedKeysCommand, which takes precedence"
        in machine.problems()[0]
    )


def test_a_failed_unit_and_a_program_that_its_user_cannot_run_are_findings(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(root: str, imds: str) -> Iterator[Finding]:
        yield error("unreachable", imds, f"unreachable from {root}")

    machine.enable()
    monkeypatch.setattr("eic_sshd.diagnose.services.problems", failed)
    assert machine.problems() == [f"169.254.169.254: unreachable from {machine.folder}."]
    machine.client_command = str(machine.folder / "client")
    Path(machine.client_command).write_text("")
    assert f"{machine.client_command} is not readable and executable for eic-sshd" in machine.problems()[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("PubkeyAuthentication no", "sshd_config:2: no key logs in, pushed or not (PubkeyAuthentication no)"),
        (
            "AuthenticationMethods password",
            "sshd_config:2: no key logs in, pushed or not (AuthenticationMethods password)",
        ),
        (
            "PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com",
            "sshd_config:2: PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com has none of the types",
        ),
        ("Match User bob\nPubkeyAuthentication no", "sshd_config:3: for `Match User bob` no key logs in"),
        ("Match all\nPubkeyAuthentication no", "sshd_config:3: no key logs in"),
        (
            "Match LocalPort 22\nAuthenticationMethods password",
            "sshd_config:3: for `Match LocalPort 22` no key logs in",
        ),
        ("Match User bob\nAuthorizedKeysCommand none", "sshd_config:3: for `Match User bob` sshd runs no command,"),
        (
            "Match User *\nAuthorizedKeysCommand /usr/bin/true\nAuthorizedKeysCommandUser nobody",
            "sshd_config:3: for `Match User *` sshd runs /usr/bin/true and not eic-sshd",
        ),
    ],
)
def test_a_setting_that_denies_every_pushed_key_is_a_warning(machine: Machine, text: str, problem: str) -> None:
    machine.sshd_config(f"{INCLUDE}{text}\n")
    reports = machine.enable()
    assert machine.problems() == []
    (warning,) = machine.warnings()
    assert problem in warning
    assert f"warning: {warning}" in reports


@pytest.mark.parametrize(
    "text",
    [
        "PubkeyAuthentication yes",
        "AuthenticationMethods publickey,keyboard-interactive password",
        "PubkeyAcceptedAlgorithms rsa-sha2-256",
        "PubkeyAcceptedAlgorithms -ssh-ed25519",
        "PubkeyAcceptedAlgorithms -*",  # sshd then takes its default
        "Match User bob\nPasswordAuthentication no",
        "AllowUsers alice",
    ],
)
def test_a_setting_that_lets_some_pushed_key_log_in_is_no_warning(machine: Machine, text: str) -> None:
    machine.sshd_config(f"{INCLUDE}{text}\n")
    assert not any("warning" in report for report in machine.enable())
    assert machine.warnings() == []


def test_key_types_that_our_configuration_excludes_are_not_counted_as_accepted(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}PubkeyAcceptedAlgorithms rsa-sha2-512\n")
    machine.write("eic-sshd/eic-sshd.conf", "[keys]\ntypes = ssh-ed25519\n")
    assert "has none of the types in [keys] types, so no pushed key logs in (ssh-ed25519)" in machine.enable()[-1]
    assert len(machine.warnings()) == 1


@pytest.mark.parametrize("user", ["root", "%u", "nobody-of-that-name"])
@pytest.mark.parametrize("place", ["sshd_config", "sshd_config.d/10-site.conf"])
def test_a_line_of_the_site_that_runs_eic_sshd_as_root_is_refused_with_the_line_to_change(
    machine: Machine, user: str, place: str
) -> None:
    lines = f"AuthorizedKeysCommand {PLAIN.command}\nAuthorizedKeysCommandUser {user}\n"
    machine.write(place, f"{lines}{INCLUDE if place == 'sshd_config' else ''}")
    message = machine.refusal()
    where = f"{machine.folder}/{place}:2"
    assert message.startswith(f"{where}: sshd runs eic-sshd as AuthorizedKeysCommandUser {user}, which")
    assert "Change that line to `AuthorizedKeysCommandUser eic-sshd` and reload sshd" in message
    assert machine.problems() == [message]
    machine.write(place, f"{lines}{INCLUDE if place == 'sshd_config' else ''}".replace(user, "eic-sshd"))
    assert "by a line of your own" in machine.enable()[0]
    assert machine.problems() == []


def test_a_user_set_before_ours_is_a_finding_that_enable_corrects(machine: Machine) -> None:
    machine.enable()
    machine.write("sshd_config.d/10-site.conf", "AuthorizedKeysCommandUser root\n")
    (problem,) = machine.problems()
    assert problem.endswith("Run `eic-sshd enable` to correct that.")
    machine.enable()
    assert machine.problems() == []


def test_a_chained_command_that_the_site_configured_itself_is_no_finding(machine: Machine) -> None:
    machine.enable()
    machine.write("eic-sshd/conf.d/70-mine.conf", "[chain]\ncommand = /usr/bin/true\n")
    assert machine.problems() == []


def test_a_chain_left_behind_is_removed_where_sshd_runs_eic_sshd_by_a_line_of_the_site(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    Path(machine.site.drop_in).unlink()
    machine.sshd_config(INCLUDE + PLAIN.text())
    (problem,) = machine.problems()
    assert problem.endswith("Run `eic-sshd enable` to stop running it.")
    machine.enable()
    assert machine.problems() == []
