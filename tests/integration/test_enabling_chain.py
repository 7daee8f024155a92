# SPDX-License-Identifier: Apache-2.0
"""`enable --chain`: in front of the site's own command, never in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from eic_sshd.config import loader
from eic_sshd.paths import CLIENT_COMMAND
from eic_sshd.sshd.drop_in import PLAIN
from testbed import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")

OTHERS = {
    "in sshd_config": ("sshd_config", INCLUDE + OTHER, "60-eic-sshd.conf"),
    "before the include": ("sshd_config", OTHER + INCLUDE, None),
    "in an earlier drop-in": ("sshd_config.d/10-site.conf", OTHER, "00-eic-sshd.conf"),
    "in a later drop-in": ("sshd_config.d/90-site.conf", OTHER, "60-eic-sshd.conf"),
}


@pytest.mark.parametrize("where", OTHERS)
def test_another_command_is_never_replaced_without_a_request(machine: Machine, where: str) -> None:
    file, text, _ = OTHERS[where]
    machine.write(file, text)
    message = machine.refusal()
    assert message.startswith(f"{machine.folder}/{file}:")
    assert "sshd runs another AuthorizedKeysCommand and not eic-sshd (/usr/bin/true %u). Run" in message
    assert "`eic-sshd enable --chain`" in message
    assert machine.effective == ("/usr/bin/true %u", "nobody")


@pytest.mark.parametrize("where", OTHERS)
def test_chaining_precedes_the_command_as_its_user_and_disable_restores_it(machine: Machine, where: str) -> None:
    file, text, drop_in = OTHERS[where]
    machine.write(file, text)
    if drop_in is None:
        assert f"{machine.folder}/sshd_config:1: a line here precedes" in machine.refusal(chain=True)
        return
    before = machine.files()
    machine.enable(chain=True)
    assert machine.effective == (PLAIN.command, "nobody")
    assert set(machine.files()) - set(before) == {
        f"sshd_config.d/{drop_in}",
        "eic-sshd/conf.d/60-chain.conf",
        "etc/systemd/system/eic-sshd.socket.d/60-chain.conf",
    }
    assert loader.load(machine.site.our_config).chain.command == "/usr/bin/true %u"
    assert "\n# 'nobody'\nSocketUser=65534\n" in Path(machine.site.socket_drop_in).read_text()
    chained = machine.files()
    for again in (False, True):
        assert machine.enable(chain=again)[0] == "sshd already runs eic-sshd"
    assert machine.files() == chained
    machine.disable()
    assert machine.files() == before
    assert machine.effective == ("/usr/bin/true %u", "nobody")


def test_tokens_that_only_sshd_knows_are_passed_on(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}AuthorizedKeysCommand /usr/bin/true %k --home=%h %u %f 100%%\n"
                        "AuthorizedKeysCommandUser nobody\n")  # fmt: skip
    machine.enable(chain=True)
    assert machine.effective[0] == f"{CLIENT_COMMAND} --token U=%U --token h=%h --token k=%k %u %f"


@pytest.mark.parametrize(
    ("command", "user", "problem"),
    [
        ("/usr/bin/true", "root", "which is not a single existing user other than root"),
        ("/usr/bin/true", "%u", "which is not a single existing user other than root"),
        ("/usr/bin/true", "nobody-of-that-name", "which is not a single existing user other than root"),
        ("/usr/bin/true a\\ b", "nobody", "a backslash"),
        ("/no/such/program", "nobody", "No such file"),
        ("{folder}/theirs", "nobody", "writable by others"),
    ],
)
def test_a_command_that_cannot_be_chained_is_refused_with_the_reason(
    machine: Machine, command: str, user: str, problem: str
) -> None:
    machine.write("theirs", "#!/bin/sh\n")
    (machine.folder / "theirs").chmod(0o777)
    machine.sshd_config(f"{INCLUDE}AuthorizedKeysCommand {command}\nAuthorizedKeysCommandUser {user}\n")
    message = machine.refusal(chain=True)
    assert "cannot be chained (" in message
    assert problem in message


def test_a_command_added_after_enabling_is_reported_and_can_be_chained(machine: Machine) -> None:
    machine.enable()
    machine.sshd_config(INCLUDE + OTHER)
    assert any("AuthorizedKeysCommand /usr/bin/true %u does not run" in report for report in machine.enable())
    machine.enable(chain=True)
    assert loader.load(machine.site.our_config).chain.command == "/usr/bin/true %u"
    assert machine.effective == (PLAIN.command, "nobody")


@pytest.mark.parametrize("where", ["in sshd_config", "in an earlier drop-in"])
@pytest.mark.parametrize("again", [False, True])
def test_a_chained_command_that_changed_is_chained_again(machine: Machine, where: str, again: bool) -> None:
    file, text, _ = OTHERS[where]
    machine.write(file, text)
    machine.enable(chain=True)
    machine.write(file, text.replace("/usr/bin/true %u", "/usr/bin/true %h"))
    machine.enable(chain=again)
    assert loader.load(machine.site.our_config).chain.command == "/usr/bin/true %h"
    assert machine.effective == (f"{CLIENT_COMMAND} --token U=%U --token h=%h %u %f", "nobody")
    machine.disable()
    assert machine.effective == ("/usr/bin/true %h", "nobody")


def test_quotes_and_comments_are_not_part_of_the_user_name(machine: Machine) -> None:
    machine.sshd_config(f'{INCLUDE}AuthorizedKeysCommand /usr/bin/true\nAuthorizedKeysCommandUser "nobody" # why\n')
    for _ in range(2):
        machine.enable(chain=True)
        assert machine.effective == (PLAIN.command, "nobody")


def test_another_file_that_sets_a_chained_command_is_named(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.write("eic-sshd/conf.d/70-mine.conf", "[chain]\ncommand = /usr/bin/false\n")
    assert "conf.d/70-mine.conf:2: it sets [chain] command too. Remove that line" in machine.refusal(chain=True)


@pytest.mark.parametrize("again", [False, True])
def test_a_chained_command_that_the_site_removed_is_removed(machine: Machine, again: bool) -> None:
    machine.write("sshd_config.d/10-site.conf", OTHER)
    machine.enable(chain=True)
    (machine.folder / "sshd_config.d/10-site.conf").unlink()
    before = machine.files()
    machine.enable(again)
    assert loader.load(machine.site.our_config).chain.command is None
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert set(machine.files()) == (set(before) | {"sshd_config.d/60-eic-sshd.conf"}) - {
        "sshd_config.d/00-eic-sshd.conf",
        "eic-sshd/conf.d/60-chain.conf",
        "etc/systemd/system/eic-sshd.socket.d/60-chain.conf",
    }


@pytest.mark.parametrize("user", ["daemon", "eic-sshd"])
def test_the_socket_follows_a_change_of_the_commands_user(machine: Machine, user: str) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    machine.sshd_config(INCLUDE + OTHER.replace("nobody", user))
    machine.enable()
    assert machine.effective == (PLAIN.command, user)
    drop_in = Path(machine.site.socket_drop_in)
    assert f"\nSocketUser={user}\n" in drop_in.read_text() if user == "daemon" else not drop_in.exists()


def test_chain_without_another_command_enables_plainly(machine: Machine) -> None:
    assert "sshd has no other AuthorizedKeysCommand to chain" in machine.enable(chain=True)
    assert machine.effective == (PLAIN.command, "eic-sshd")


def test_an_explicit_none_is_refused(machine: Machine) -> None:
    machine.write("sshd_config.d/10-hardening.conf", "# by policy\nAuthorizedKeysCommand none\n")
    assert "10-hardening.conf:2: it sets AuthorizedKeysCommand none. Remove" in machine.refusal()


def test_a_configuration_that_the_chained_commands_user_cannot_read_is_refused(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    Path(machine.site.our_config).chmod(0o640)
    assert "the configuration is invalid for nobody, the user" in machine.refusal(chain=True)


def test_an_invalid_configuration_of_eic_sshd_is_refused_for_a_chain(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.write("eic-sshd/eic-sshd.conf", "[keys]\nwindow = soon\n")
    assert "the configuration is invalid for nobody" in machine.refusal(chain=True)


def test_disable_removes_the_sockets_folder_and_keeps_the_packages_folder(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    folder = Path(machine.site.socket_drop_in).parent
    assert folder.is_dir()
    machine.disable()
    assert not folder.exists()
    assert Path(machine.site.chain_config).parent.is_dir()


def test_a_command_is_chained_without_a_configuration_file_of_eic_sshd(machine: Machine) -> None:
    """Its defaults hold then."""
    (machine.folder / "eic-sshd/eic-sshd.conf").unlink()
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    assert machine.effective == (PLAIN.command, "nobody")
