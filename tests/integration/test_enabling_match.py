# SPDX-License-Identifier: Apache-2.0
"""`enable` on sites with Include lines, Match blocks and command lines of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eic_sshd.host.errors import MachineError
from eic_sshd.sshd.connections import ORDINARY, Connection
from eic_sshd.sshd.drop_in import PLAIN
from eic_sshd.sshd.program import Settings, Sshd
from testbed import private_host
from tools.documents import ROOT

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")


def test_enable_without_an_include_line_names_the_line_to_add(machine: Machine) -> None:
    machine.sshd_config("PermitRootLogin no\n")
    include = f"Include {machine.folder}/sshd_config.d/*.conf"
    add = f"sed -i '1i {include}' {machine.site.sshd.config}"
    assert f"Run `{add} && eic-sshd enable`, which adds the line at the top" in machine.refusal()
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
    """sshd refuses them; reading them must end."""
    for name in ("10-a", "20-b", "30-c"):
        machine.write(f"sshd_config.d/{name}.conf", INCLUDE)
    assert "Too many" in machine.refusal() or "recursive" in machine.refusal()
    assert "sshd's configuration does not name eic-sshd" in machine.disable()


def test_an_include_line_within_a_match_block_is_refused(machine: Machine) -> None:
    machine.sshd_config(f"PermitRootLogin no\nMatch User bob\n    {INCLUDE}")
    assert f"{machine.folder}/sshd_config:3: it includes" in machine.refusal()


def test_lines_of_ours_under_a_match_are_not_made_to_count_everywhere(machine: Machine) -> None:
    machine.write("sshd_config.d/60-eic-sshd.conf", f"Match User bob\n{PLAIN.text()}")
    assert "60-eic-sshd.conf:5: sshd runs eic-sshd for `Match User bob` only" in machine.refusal()


def test_a_match_block_keeps_its_command_and_is_reported(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User git\n    AuthorizedKeysCommand /usr/bin/true git\n"
                        "    AuthorizedKeysCommandUser nobody\n")  # fmt: skip
    reports = machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert any("for `Match User git` sshd runs /usr/bin/true git and not eic-sshd" in report for report in reports)


def test_a_match_block_that_relies_on_the_user_outside_is_refused(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}AuthorizedKeysCommandUser nobody\n"
                        "Match User git\n    AuthorizedKeysCommand /usr/bin/true git\n")  # fmt: skip
    assert "Add an AuthorizedKeysCommandUser to `Match User git`" in machine.refusal()


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
def test_start_options_that_override_any_configuration_are_refused(machine: Machine, file: str, line: str) -> None:
    machine.write(file, f"# -o AuthorizedKeysCommand=/y\n{line}\n")
    assert f"{machine.folder}/{file}:2: sshd is started with -o" in machine.refusal()


@pytest.mark.parametrize("line", ["ExecStart=/usr/sbin/sshd -D \\\n-f /etc/other", "SSHD_OPTS=-f/etc/other"])
def test_start_options_that_name_another_configuration_are_refused(machine: Machine, line: str) -> None:
    machine.write("etc/default/ssh", f"{line}\n")
    assert "sshd is started with -f /etc/other, which" in machine.refusal()


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
def test_options_of_other_programs_are_ignored(machine: Machine, line: str) -> None:
    machine.write("etc/systemd/system/ssh.service", f"{line}\n")
    machine.enable()


def test_a_comment_ends_at_the_end_of_its_line(machine: Machine) -> None:
    machine.write("etc/systemd/system/ssh.service", "# note \\\nExecStart=/usr/sbin/sshd -o AuthorizedKeysCommand=/x\n")
    assert "ssh.service:2: sshd" in machine.refusal()


def test_a_unit_that_is_overridden_does_not_count(machine: Machine) -> None:
    name = "systemd/system/ssh.service.d/ec2-instance-connect.conf"
    machine.write(f"usr/lib/{name}", "ExecStart=/usr/sbin/sshd -D -o AuthorizedKeysCommand=/x\n")
    machine.write(f"etc/{name}", "")
    machine.enable()


def test_a_match_block_whose_command_has_no_user_is_refused(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User git\n    AuthorizedKeysCommand /usr/bin/true git\n")
    because = "does not run, because no AuthorizedKeysCommandUser is set"
    assert f"{because}, and eic-sshd's AuthorizedKeysCommandUser eic-sshd would" in machine.refusal()


@pytest.mark.parametrize("user", ["root", "%u", "nobody-of-that-name"])
def test_a_match_block_never_runs_eic_sshd_as_root(machine: Machine, user: str) -> None:
    block = f"{INCLUDE}Match User bob\n    AuthorizedKeysCommandUser {user}\n"
    machine.sshd_config(block)
    message = machine.refusal()
    assert "which is not a single existing user other than root" in message
    assert "sshd_config:3: for `Match User bob` sshd would run eic-sshd as" in message
    for remedy in ("Change that line to `AuthorizedKeysCommandUser eic-sshd`", "`AuthorizedKeysCommand /usr/bin/true`"):
        assert remedy in message
    machine.sshd_config(block.replace(user, "eic-sshd"))
    machine.enable()
    machine.sshd_config(f"{block}    AuthorizedKeysCommand /usr/bin/true\n")
    machine.enable()
    machine.sshd_config(block)
    assert message in machine.problems()


def test_a_match_block_with_another_user_is_a_warning(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n    AuthorizedKeysCommandUser nobody\n")
    assert any("sshd runs eic-sshd as nobody" in report for report in machine.enable())


def test_a_match_block_without_any_command_is_a_warning(machine: Machine) -> None:
    """To sshd, `none` is a program whose path is not absolute: it logs an error at each attempt."""
    machine.sshd_config(f"{INCLUDE}Match User bob\n    AuthorizedKeysCommand none\n")
    (warning,) = (report for report in machine.enable() if "for `Match User bob` sshd runs no command" in report)
    assert "logs an error at each attempt" in warning
    assert "`AuthorizedKeysCommand /usr/bin/true` does the same without the error" in warning


@pytest.mark.parametrize("folder", ["eic_sshd", "docs", "etc", "packaging", "README.md"])
def test_no_message_recommends_a_missing_command(folder: str) -> None:
    recommended = re.compile(r"(?:add|set|write|put|use)\W{1,6}AuthorizedKeysCommand none", re.IGNORECASE)
    paths = [Path(ROOT) / folder, *(Path(ROOT) / folder).rglob("*")]
    texts = {path: path.read_text(errors="replace") for path in paths if path.is_file() and path.suffix != ".pyc"}
    assert texts
    assert [path for path, text in texts.items() if recommended.search(text)] == []


def test_lines_under_match_all_are_to_be_moved(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match all\n{OTHER}")
    assert "and not eic-sshd (/usr/bin/true %u)" in machine.refusal()
    assert "the line is under `Match all`" in machine.refusal(chain=True)


SAME = "AuthorizedKeysCommand /usr/bin/true %u\n    AuthorizedKeysCommandUser nobody\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (f"Match all\n    PasswordAuthentication no\nMatch all\n    {SAME}", 5),
        (f"Match User bob\n    {SAME}Match all\n    {SAME}", 6),
        (f"{OTHER.replace('true', 'false')}Match all\n    {SAME}", 5),
        (f"Match all\n    {SAME}Match User bob\n    {SAME}", 3),
    ],
)
def test_under_match_all_the_line_in_force_is_named(machine: Machine, text: str, number: int) -> None:
    machine.sshd_config(INCLUDE + text)
    problem = "sshd runs another AuthorizedKeysCommand and not eic-sshd (/usr/bin/true %u)"
    message = machine.refusal()
    assert message.startswith(f"{machine.folder}/sshd_config:{number}: {problem}")
    assert machine.problems()[0] == message


def test_a_command_before_the_include_is_named_though_there_is_a_match_all_before_it(machine: Machine) -> None:
    machine.write("sshd_config.d/10-all.conf", "Match all\n    PasswordAuthentication no\n")
    machine.sshd_config(f"Include {machine.folder}/sshd_config.d/1*.conf\n{OTHER}{INCLUDE}")
    assert "sshd_config:2: a line here precedes" in machine.refusal(chain=True)


@pytest.mark.parametrize(
    "match",
    [
        "LocalPort 22", "LocalPort 2222", "LocalAddress 10.0.0.1", "LocalAddress nonsense", "RDomain mgmt", "RDomain *",
        "Host *.example.net", "Address 10.0.0.0/8", "Address *,!10.0.0.0/8", "User bob", "User *", 'User "a b"',
        "Group root", "Group no-such-group", "all", "User bob Address 10.* LocalPort 22", "User=bob", "Invalid-User",
        "Version OpenSSH_*",
    ],
)  # fmt: skip
def test_enable_works_with_every_match_block_that_sshd_accepts(machine: Machine, match: str) -> None:
    machine.sshd_config(f"{INCLUDE}Match {match}\n    PasswordAuthentication no\n    X11Forwarding yes\n")
    if machine.site.config_problem() is not None:
        pytest.skip("this sshd does not know such a Match line")
    before = machine.files()
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert machine.problems() == []
    assert machine.enable()[0] == "sshd already runs eic-sshd"
    machine.disable()
    assert machine.files() == before


class Silent(Sshd):
    """One that starts, and prints no settings."""

    def settings(self, connection: Connection = ORDINARY) -> Settings:
        raise MachineError("`sshd -T`", "it fails")


def test_enable_and_disable_work_with_an_sshd_that_prints_no_settings(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.sshd = Silent
    before = machine.files()
    assert "sshd_config:2" in machine.refusal()
    machine.enable(chain=True)
    machine.sshd = Sshd
    assert machine.effective == (PLAIN.command, "nobody")
    machine.sshd = Silent
    assert machine.problems() == []
    machine.disable()
    assert machine.files() == before


def test_a_command_in_a_match_block_for_nearly_all_does_not_count_as_outside(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match Address *,!10.0.0.0/8\n    {SAME}")
    machine.dry_run = True
    assert any("sshd runs /usr/bin/true %u and not eic-sshd" in report for report in machine.enable())
    machine.dry_run = False
    assert any("sshd runs /usr/bin/true %u and not eic-sshd" in report for report in machine.enable())
    assert machine.enable()[0] == "sshd already runs eic-sshd"
    assert machine.problems() == []
    machine.disable()
