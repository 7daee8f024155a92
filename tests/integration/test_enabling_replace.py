# SPDX-License-Identifier: Apache-2.0
"""`enable --replace`: in place of the command that a site has, until it is disabled."""

from __future__ import annotations

from pathlib import Path

import pytest

from eic_sshd.host.errors import MachineError
from eic_sshd.sshd.commands import replaced
from eic_sshd.sshd.drop_in import PLAIN, others_in, replaced_in
from testbed import private_host

from .sites import INCLUDE, OTHER, Machine
from .test_installation import standing

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")

# What Debian's systemd-userdbd installs as 20-systemd-userdb.conf, but for its path.
USERDB = "AuthorizedKeysCommand /usr/bin/true ssh-authorized-keys %u\nAuthorizedKeysCommandUser root\n"


def test_a_command_that_runs_as_root_is_replaced_and_given_back(machine: Machine) -> None:
    machine.write("sshd_config.d/20-systemd-userdb.conf", USERDB)
    before = machine.files()
    said = machine.refusal()
    assert "`eic-sshd enable --chain` can't have both run: it runs as AuthorizedKeysCommandUser root" in said
    assert "`eic-sshd enable --replace` has sshd ask eic-sshd in its place" in said
    assert "`eic-sshd enable --replace` has" in machine.refusal(chain=True)
    (said,) = (sentence for sentence in machine.enable(replace=True) if "is not run" in sentence)
    assert f"/usr/bin/true ssh-authorized-keys %u ({machine.folder}/sshd_config.d/20-systemd-userdb.conf:1) is" in said
    assert "`eic-sshd disable` gives it back" in said
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert standing(machine) == []
    machine.disable()
    assert machine.files() == before
    assert machine.effective == ("/usr/bin/true ssh-authorized-keys %u", "root")


def test_it_stays_replaced_whenever_it_is_enabled_again(machine: Machine) -> None:
    machine.write("sshd_config.d/20-systemd-userdb.conf", USERDB)
    machine.enable(replace=True)
    replaced = machine.files()
    assert machine.enable() == ["sshd asks eic-sshd already", *machine.told[1:]]
    machine.enable(replace=True)
    assert machine.files() == replaced
    assert "Written by `eic-sshd enable --replace`" in Path(machine.site.early_drop_in).read_text()


def test_one_that_comes_before_ours_later_is_replaced_still(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(replace=True)
    machine.sshd_config(INCLUDE)
    machine.write("sshd_config.d/20-site.conf", OTHER)
    assert machine.effective[0] == "/usr/bin/true %u"
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")


def test_one_that_is_installed_after_enabling_is_told_of_with_both_ways(machine: Machine) -> None:
    machine.enable()
    machine.write("sshd_config.d/20-systemd-userdb.conf", USERDB)
    (said,) = standing(machine)
    assert "sshd does not ask eic-sshd, but runs /usr/bin/true ssh-authorized-keys %u (" in said
    assert "20-systemd-userdb.conf:1)" in said
    assert "`eic-sshd enable --chain`" in said
    assert "`eic-sshd enable --replace`" in said
    assert "--replace" in machine.refusal()
    machine.enable(replace=True)
    assert standing(machine) == []


def test_another_than_the_replaced_one_is_not_replaced_without_a_word(machine: Machine) -> None:
    machine.write("sshd_config.d/20-site.conf", OTHER)
    machine.enable(replace=True)
    machine.write("sshd_config.d/20-site.conf", OTHER.replace("true", "false"))
    (said,) = standing(machine)
    assert "sshd does not run /usr/bin/false %u" in said
    assert "sshd does not run /usr/bin/false %u" in machine.enable()[0]
    machine.enable(replace=True)
    assert standing(machine) == []


def test_from_chained_to_replaced_and_back(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    machine.enable(replace=True)
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert not Path(machine.site.chain_config).exists()
    assert not Path(machine.site.socket_drop_in).exists()
    assert standing(machine) == []
    machine.enable(chain=True)
    assert machine.effective == (PLAIN.command, "nobody")
    assert replaced(machine.site) is None
    assert standing(machine) == []


def test_what_cannot_be_replaced_is_not_said_to_be(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match all\n{OTHER}")
    with pytest.raises(MachineError, match=r"sshd_config:3 stands under `Match all`"):
        machine.enable(replace=True)
    assert machine.told == []


def test_nothing_to_replace_is_enabled_as_ever(machine: Machine) -> None:
    assert "sshd has no other AuthorizedKeysCommand, so there is none to replace" in machine.enable(replace=True)
    assert Path(machine.site.drop_in).read_text() == PLAIN.text()


def test_a_word_of_the_sites_that_there_is_to_be_none_is_replaced_only_by_request(machine: Machine) -> None:
    machine.write("sshd_config.d/10-hardening.conf", "AuthorizedKeysCommand none\n")
    assert "`eic-sshd enable --replace`" in machine.refusal()
    machine.enable(replace=True)
    assert machine.effective == (PLAIN.command, "eic-sshd")
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert standing(machine) == []


@pytest.mark.parametrize("command", ["/x", "/usr/bin/x %u (a) [b] {} \\d", '"/x y" # z'])
def test_what_is_replaced_is_read_back_as_it_was_written_and_is_no_foreign_line(command: str) -> None:
    text = PLAIN._replace(replaced=command).text()
    assert replaced_in(text) == command
    assert others_in(text) == []
    assert replaced_in(PLAIN.text()) is None
