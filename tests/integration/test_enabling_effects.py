# SPDX-License-Identifier: Apache-2.0
"""What sshd has in force, but for our two settings, is the same before and after, Match blocks included."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from eic_sshd.setup import SetupRefused
from eic_sshd.setup.target import Target
from eic_sshd.sshd.connections import Connection
from eic_sshd.sshd.drop_in import PLAIN
from testbed import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")

PRINCIPALS = "AuthorizedPrincipalsCommand /usr/bin/true %i\nAuthorizedPrincipalsCommandUser nobody\n"
ASKED = [Connection(), Connection(user="bob"), Connection(addr="10.1.2.3"), Connection(lport="2222")]


def other_settings(machine: Machine) -> Dict[Connection, List[Tuple[str, str]]]:
    """All settings but ours."""
    return {
        connection: [pair for pair in machine.site.sshd.settings(connection) if "authorizedkeyscommand" not in pair[0]]
        for connection in ASKED
    }


@pytest.fixture
def drops_principals(machine: Machine) -> bool:
    """Whether this sshd, before OpenSSH 9.4, drops an AuthorizedPrincipalsCommand behind an AuthorizedKeysCommand."""
    machine.sshd_config(OTHER + PRINCIPALS)
    dropped = machine.site.sshd.effective()["authorizedprincipalscommand"] == "none"
    machine.sshd_config(INCLUDE)
    return dropped


@pytest.mark.parametrize("where", ["10-site.conf", "59-site.conf", "61-site.conf", "99-site.conf", "zy.conf"])
@pytest.mark.parametrize("match", ["", "Match User bob\n    AuthorizedKeysCommandUser eic-sshd\n"])
def test_our_lines_follow_a_command_for_principals(machine: Machine, where: str, match: str) -> None:
    machine.write(f"sshd_config.d/{where}", PRINCIPALS)
    machine.sshd_config(INCLUDE + match)
    before = other_settings(machine)
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert other_settings(machine) == before
    assert before[ASKED[0]] != []
    assert machine.site.sshd.effective()["authorizedprincipalscommand"] == "/usr/bin/true %i"
    machine.disable()
    assert other_settings(machine) == before


@pytest.mark.parametrize("more", ["", "Match Address 10.0.0.0/8\n    AuthorizedPrincipalsCommand /usr/bin/false\n"])
def test_where_our_lines_cannot_follow_it_the_line_to_move_is_named(
    machine: Machine, drops_principals: bool, more: str
) -> None:
    machine.sshd_config(INCLUDE + PRINCIPALS + more)
    before = other_settings(machine)
    if not drops_principals:
        machine.enable()
        assert other_settings(machine) == before
        return
    for dry_run in (True, False):
        machine.dry_run = dry_run
        message = machine.refusal()
        assert f"{machine.folder}/sshd_config:2: AuthorizedPrincipalsCommand would become none" in message
        assert f"above the Include line of {machine.folder}/sshd_config" in message
    assert other_settings(machine) == before
    machine.sshd_config(PRINCIPALS + INCLUDE + more)  # as the message says
    assert other_settings(machine) == before
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert other_settings(machine) == before


def test_of_two_commands_for_principals_the_same_one_stays_in_force(machine: Machine, drops_principals: bool) -> None:
    """Without an AuthorizedKeysCommand an sshd before OpenSSH 9.4 takes the last of them, others the first."""
    machine.write("sshd_config.d/10-a.conf", PRINCIPALS)
    machine.write("sshd_config.d/70-b.conf", PRINCIPALS.replace("%i", "%k"))
    before = other_settings(machine)
    machine.enable()
    assert other_settings(machine) == before
    assert Path(machine.site.late_drop_in if drops_principals else machine.site.drop_in).exists()


@pytest.mark.parametrize("how", ["chain", "replace"])
def test_the_sites_command_is_chained_or_replaced_only_where_no_other_setting_changes(
    machine: Machine, drops_principals: bool, how: str
) -> None:
    machine.write("sshd_config.d/10-site.conf", PRINCIPALS + OTHER)
    before = other_settings(machine)
    if drops_principals:  # ours would have to stand between the two
        with pytest.raises(SetupRefused, match=r"10-site.conf:1: AuthorizedPrincipalsCommand would become none"):
            machine.enable(**{how: True})
        assert other_settings(machine) == before
        machine.write("sshd_config.d/10-site.conf", OTHER)
        machine.sshd_config(PRINCIPALS + INCLUDE)
        assert other_settings(machine) == before
    machine.enable(**{how: True})
    assert machine.effective[0] == PLAIN.command
    assert other_settings(machine) == before
    machine.disable()
    assert other_settings(machine) == before


def test_a_command_for_principals_added_after_enabling_is_a_finding_and_enable_moves_our_lines(
    machine: Machine, drops_principals: bool
) -> None:
    machine.enable()
    machine.write("sshd_config.d/70-site.conf", PRINCIPALS)
    if not drops_principals:
        assert machine.problems() == []
        return
    (problem,) = machine.problems()
    assert "(sshd -T prints authorizedprincipalscommand none instead of /usr/bin/true %i). Run" in problem
    machine.enable()
    assert machine.problems() == []
    assert machine.site.sshd.effective()["authorizedprincipalscommand"] == "/usr/bin/true %i"
    assert not Path(machine.site.drop_in).exists()


def test_a_change_to_any_other_setting_is_refused_and_rolled_back(machine: Machine) -> None:
    class Meddling(Target):
        def note_reload(self) -> None:
            raise AssertionError("too late")

        def remove_our_lines(self, path: str, changes: object) -> None:
            Path(self.site.sshd_drop_ins, "50-new.conf").write_text("Match User bob\n    X11Forwarding yes\n")

    machine.sshd_config(f"{INCLUDE}Match User bob\n    PermitTTY yes\n")
    from eic_sshd.setup.enable import enable

    with pytest.raises(SetupRefused, match=r"not eic-sshd's .sshd -T prints x11forwarding yes instead of no"):
        enable(Meddling(*machine.target))
    assert not Path(machine.site.drop_in).exists()
