# SPDX-License-Identifier: Apache-2.0
"""`enable` on sites with Include lines, Match blocks and command lines of their own."""

from __future__ import annotations

import pytest

from eic_sshd.enabling.drop_in import PLAIN
from eic_sshd.sandbox import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")


def test_without_an_include_the_line_to_add_is_named(machine: Machine) -> None:
    machine.sshd_config("PermitRootLogin no\n")
    include = f"Include {machine.folder}/sshd_config.d/*.conf"
    assert machine.refusal().endswith(f"add this as its first line: {include}")
    machine.sshd_config(f"{include}\nPermitRootLogin no\n")
    machine.enable()


@pytest.mark.parametrize("include", ['INCLUDE="{folder}/sshd_config.d/*.conf"', INCLUDE, INCLUDE.replace("/", "//")])
def test_an_include_counts_however_it_is_written(machine: Machine, include: str) -> None:
    machine.sshd_config(f"{include}\n")
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    machine.disable()
    assert machine.effective == ("none", "none")


def test_files_that_include_each_other_are_read_once(machine: Machine) -> None:
    """sshd refuses them; what is known of them must not take for ever."""
    for name in ("10-a", "20-b", "30-c"):
        machine.write(f"sshd_config.d/{name}.conf", INCLUDE)
    assert "Too many" in machine.refusal() or "recursive" in machine.refusal()
    assert "sshd's configuration does not name eic-sshd" in machine.disable()


def test_an_include_within_a_match_block_is_no_include(machine: Machine) -> None:
    machine.sshd_config(f"PermitRootLogin no\nMatch User bob\n    {INCLUDE}")
    assert f"{machine.folder}/sshd_config:3 includes" in machine.refusal()


def test_lines_of_ours_under_a_match_are_not_made_to_count_everywhere(machine: Machine) -> None:
    machine.write("sshd_config.d/60-eic-sshd.conf", f"Match User bob\n{PLAIN.text()}")
    assert "60-eic-sshd.conf:5 has sshd ask eic-sshd for `Match User bob` only" in machine.refusal()


def test_a_match_block_keeps_its_command_and_it_is_told(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User git\n    AuthorizedKeysCommand /usr/bin/true git\n"
                        "    AuthorizedKeysCommandUser nobody\n")  # fmt: skip
    said = machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert any("for `Match User git` sshd goes on running /usr/bin/true git" in sentence for sentence in said)


def test_a_match_block_that_relies_on_the_user_outside_is_not_left_with_another(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}AuthorizedKeysCommandUser nobody\n"
                        "Match User git\n    AuthorizedKeysCommand /usr/bin/true git\n")  # fmt: skip
    assert "add an AuthorizedKeysCommandUser to `Match User git`" in machine.refusal()


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("usr/lib/systemd/system/ssh.service.d/eic.conf", "ExecStart=/usr/sbin/sshd -D -o AuthorizedKeysCommand=/x"),
        ("etc/systemd/system/sshd@.service", "ExecStart=-/usr/sbin/sshd -i -oAuthorizedKeysCommand=/x"),
        ("etc/default/ssh", "SSHD_OPTS=-oAuthorizedKeysCommandUser=root"),
        ("etc/default/ssh", "SSHD_OPTS='-o \"AuthorizedKeysCommand /x\"'"),
        ("etc/sysconfig/sshd", "OPTIONS=-o authorizedkeyscommand=/x"),
        ("etc/systemd/system/ssh.service", "ExecStart=/usr/sbin/sshd -D \\\n  -o AuthorizedKeysCommand=/x \\\n  -e"),
    ],
)  # fmt: skip
def test_a_command_line_that_goes_before_any_configuration_is_noticed(machine: Machine, file: str, line: str) -> None:
    machine.write(file, f"# -o AuthorizedKeysCommand=/y\n{line}\n")
    assert f"at {machine.folder}/{file}:2," in machine.refusal()


@pytest.mark.parametrize("line", ["ExecStart=/usr/sbin/sshd -D \\\n-f /etc/other", "SSHD_OPTS=-f/etc/other"])
def test_another_configuration_than_the_one_we_write_to_is_noticed(machine: Machine, line: str) -> None:
    machine.write("etc/default/ssh", f"{line}\n")
    assert "sshd is started with -f /etc/other at" in machine.refusal()


@pytest.mark.parametrize(
    "line",
    [
        "ExecStartPre=-/bin/rm -f /run/nologin",
        "ExecStartPre=/bin/rm -f /run/sshd.pid /run/sshd /x",
        "ExecStartPre=/bin/sh -c 'test -f /etc/default/sshd'",
        "ExecStartPre=/bin/sh -c 'ssh-keygen -f /x; \\\n /usr/sbin/sshd -t'",
        "ExecStart=/usr/sbin/sshd -D \\\n# -o AuthorizedKeysCommand=/x\n -e",
    ],
)
def test_other_programs_have_options_of_their_own(machine: Machine, line: str) -> None:
    machine.write("etc/systemd/system/ssh.service", f"{line}\n")
    machine.enable()


def test_a_comment_does_not_go_on_in_the_next_line(machine: Machine) -> None:
    machine.write("etc/systemd/system/ssh.service", "# note \\\nExecStart=/usr/sbin/sshd -o AuthorizedKeysCommand=/x\n")
    assert "ssh.service:2," in machine.refusal()


def test_a_unit_that_is_overridden_does_not_count(machine: Machine) -> None:
    name = "systemd/system/ssh.service.d/ec2-instance-connect.conf"
    machine.write(f"usr/lib/{name}", "ExecStart=/usr/sbin/sshd -D -o AuthorizedKeysCommand=/x\n")
    machine.write(f"etc/{name}", "")
    machine.enable()


def test_a_match_block_whose_command_has_no_user_does_not_get_one(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User git\n    AuthorizedKeysCommand /usr/bin/true git\n")
    assert "has no user, so it never runs, which would change" in machine.refusal()


@pytest.mark.parametrize("user", ["root", "%u", "nobody-of-that-name"])
def test_a_match_block_does_not_have_us_run_as_root(machine: Machine, user: str) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n    AuthorizedKeysCommandUser {user}\n")
    assert "which must be a single existing user other than root" in machine.refusal()


def test_a_match_block_with_another_user_is_told_of(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n    AuthorizedKeysCommandUser nobody\n")
    assert any("runs eic-sshd as nobody" in sentence for sentence in machine.enable())


def test_a_match_block_without_any_command_is_told_of(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n    AuthorizedKeysCommand none\n")
    assert any("for `Match User bob` sshd runs no command" in sentence for sentence in machine.enable())


def test_what_stands_under_match_all_is_to_be_moved(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match all\n{OTHER}")
    assert "which is left as it is: /usr/bin/true %u" in machine.refusal()
    assert "stands under `Match all`" in machine.refusal(chain=True)
