# SPDX-License-Identifier: Apache-2.0
"""`enable --replace`: in place of the site's own command, until `disable`."""

from __future__ import annotations

from pathlib import Path

import pytest

from eic_sshd.host.errors import MachineError
from eic_sshd.sshd.commands import replaced
from eic_sshd.sshd.drop_in import PLAIN, foreign_lines, replaced_command
from testbed import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")

# What Debian's systemd-userdbd installs as 20-systemd-userdb.conf, but for its path.
USERDB = "AuthorizedKeysCommand /usr/bin/true ssh-authorized-keys %u\nAuthorizedKeysCommandUser root\n"


def test_a_command_that_runs_as_root_is_replaced_and_restored(machine: Machine) -> None:
    machine.write("sshd_config.d/20-systemd-userdb.conf", USERDB)
    before = machine.files()
    message = machine.refusal()
    assert "`eic-sshd enable --chain` cannot be used: it runs as AuthorizedKeysCommandUser root" in message
    assert "Run `eic-sshd enable --replace` to put eic-sshd in its place" in message
    assert "run `eic-sshd enable --replace`" in machine.refusal(chain=True)
    (report,) = (report for report in machine.enable(replace=True) if "does not run until" in report)
    place = f"{machine.folder}/sshd_config.d/20-systemd-userdb.conf:1"
    assert report.startswith(f"/usr/bin/true ssh-authorized-keys %u ({place}) does not run until `eic-sshd disable`")
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert machine.problems() == []
    machine.disable()
    assert machine.files() == before
    assert machine.effective == ("/usr/bin/true ssh-authorized-keys %u", "root")


def test_a_replaced_command_stays_replaced_when_enable_runs_again(machine: Machine) -> None:
    machine.write("sshd_config.d/20-systemd-userdb.conf", USERDB)
    machine.enable(replace=True)
    replaced = machine.files()
    assert machine.enable() == ["sshd already runs eic-sshd", *machine.reports[1:]]
    machine.enable(replace=True)
    assert machine.files() == replaced
    assert "Written by `eic-sshd enable --replace`" in Path(machine.site.early_drop_in).read_text()


def test_a_replaced_command_that_moves_in_front_of_our_lines_stays_replaced(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(replace=True)
    machine.sshd_config(INCLUDE)
    machine.write("sshd_config.d/20-site.conf", OTHER)
    assert machine.effective[0] == "/usr/bin/true %u"
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")


def test_a_command_installed_after_enabling_is_a_finding_with_both_remedies(machine: Machine) -> None:
    machine.enable()
    machine.write("sshd_config.d/20-systemd-userdb.conf", USERDB)
    (problem,) = machine.problems()
    assert (
        "20-systemd-userdb.conf:1: sshd runs another AuthorizedKeysCommand and not eic-sshd (/usr/bin/true" in problem
    )
    assert "`eic-sshd enable --chain`" in problem
    assert "`eic-sshd enable --replace`" in problem
    assert "--replace" in machine.refusal()
    machine.enable(replace=True)
    assert machine.problems() == []


def test_another_command_than_the_replaced_one_is_reported(machine: Machine) -> None:
    machine.write("sshd_config.d/20-site.conf", OTHER)
    machine.enable(replace=True)
    machine.write("sshd_config.d/20-site.conf", OTHER.replace("true", "false"))
    (problem,) = machine.problems()
    assert "AuthorizedKeysCommand /usr/bin/false %u does not run" in problem
    assert machine.enable()[0] == problem
    machine.enable(replace=True)
    assert machine.problems() == []


def test_a_chained_command_can_be_replaced_and_chained_again(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    machine.enable(replace=True)
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert not Path(machine.site.chain_config).exists()
    assert not Path(machine.site.socket_drop_in).exists()
    assert machine.problems() == []
    machine.enable(chain=True)
    assert machine.effective == (PLAIN.command, "nobody")
    assert replaced(machine.site) is None
    assert machine.problems() == []


def test_a_command_that_cannot_be_replaced_is_not_reported_as_replaced(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match all\n{OTHER}")
    with pytest.raises(MachineError, match=r"sshd_config:3: the line is under `Match all`"):
        machine.enable(replace=True)
    assert machine.reports == []


def test_replace_without_another_command_enables_plainly(machine: Machine) -> None:
    assert "sshd has no other AuthorizedKeysCommand to replace" in machine.enable(replace=True)
    assert Path(machine.site.drop_in).read_text() == PLAIN.text()


def test_an_explicit_none_is_replaced_only_by_request(machine: Machine) -> None:
    machine.write("sshd_config.d/10-hardening.conf", "AuthorizedKeysCommand none\n")
    assert "`eic-sshd enable --replace`" in machine.refusal()
    machine.enable(replace=True)
    assert machine.effective == (PLAIN.command, "eic-sshd")
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert machine.problems() == []


@pytest.mark.parametrize("command", ["/x", "/usr/bin/x %u (a) [b] {} \\d", '"/x y" # z'])
def test_the_name_of_a_replaced_command_can_be_read_back_and_is_not_a_foreign_line(command: str) -> None:
    text = PLAIN._replace(replaced=command).text()
    assert replaced_command(text) == command
    assert foreign_lines(text) == []
    assert replaced_command(PLAIN.text()) is None
