# SPDX-License-Identifier: Apache-2.0
"""sshd's arguments and output in every version; a script runs in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, List

import pytest

from eic_sshd.host.errors import MachineError
from eic_sshd.sshd.connections import ORDINARY, Connection, fulfilling
from eic_sshd.sshd.program import Sshd

Script = Callable[[str], Sshd]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    def make(body: str) -> Sshd:
        program = tmp_path / "sshd"
        program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n{body}\n')
        program.chmod(0o755)
        return Sshd(str(program), "/etc/ssh/sshd_config")

    return make


def asked(tmp_path: Path) -> List[str]:
    return (tmp_path / "asked").read_text().splitlines()


def test_every_attribute_of_a_connection_is_given(script: Script, tmp_path: Path) -> None:
    script("echo port 22").effective(Connection(user="bob", lport="2222"))
    (options,) = asked(tmp_path)
    assert options.startswith("-T ")
    for attribute in ("user=bob", "host=192.0.2.1", "addr=192.0.2.1", "laddr=192.0.2.2", "lport=2222", "rdomain="):
        assert f"-C {attribute}" in options


def test_an_sshd_that_rejects_rdomain_is_run_without_it(script: Script, tmp_path: Path) -> None:
    sshd = script(
        'case $* in *rdomain*) echo "Invalid test mode specification rdomain=" >&2; exit 1;; esac; echo Port 22'
    )
    assert sshd.effective()["port"] == "22"
    assert "rdomain" not in asked(tmp_path)[1]
    assert "lport=1" in asked(tmp_path)[1]


@pytest.mark.parametrize(
    ("printed", "keyword", "value"),
    [
        ("AuthorizedKeysCommand /x %u", "authorizedkeyscommand", "/x %u"),  # OpenSSH 10.6
        ("authorizedkeyscommand /x %u", "authorizedkeyscommand", "/x %u"),
        ("Port 22", "authorizedkeyscommand", "none"),  # it leaves out what is none
        ("Port 22", "authorizedkeyscommanduser", "none"),
        ("Port 22", "authorizedkeysfile", "none"),
        ("AuthorizedKeysFile .ssh/authorized_keys", "authorizedkeysfile", ".ssh/authorized_keys"),
        ("Port 22", "authenticationmethods", "any"),
        ("HostKey /a\nHostKey /b", "hostkey", "/a"),
    ],
)
def test_keywords_match_in_any_case_and_missing_lines_have_their_defaults(
    script: Script, printed: str, keyword: str, value: str
) -> None:
    assert script(f"cat <<'E'\n{printed}\nE").effective()[keyword] == value


def test_an_sshd_that_prints_no_settings_is_an_error_with_its_message(script: Script) -> None:
    sshd = script("echo 'Bad Match condition' >&2; exit 255")
    with pytest.raises(MachineError, match="Bad Match condition"):
        sshd.effective()
    assert sshd.effective_or_nothing() == {}


def test_addresses_that_sshd_does_not_print_are_no_problem(script: Script) -> None:
    """sshd starts with a configuration that -t accepts."""
    assert script("case $1 in -T) exit 255;; esac").config_problem(host_keys=True, addresses=True) is None


def test_addresses_are_read_with_keywords_in_any_case(script: Script) -> None:
    sshd = script("echo 'ListenAddress 192.0.2.77:22'")
    assert "192.0.2.77" in (sshd.config_problem(host_keys=True, addresses=True) or "")


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("User bob", ORDINARY._replace(user="bob")),
        ("user bob,alice", ORDINARY._replace(user="bob")),
        ("User=bob", ORDINARY._replace(user="bob")),
        ('User "a b"', ORDINARY._replace(user="a b")),
        ("User bob # User alice", ORDINARY._replace(user="bob")),
        ("User *", ORDINARY),
        ("User !eic-*,*", ORDINARY._replace(user="x")),
        ("User !bob,b?b", ORDINARY._replace(user="bxb")),
        ("User dev-*", ORDINARY._replace(user="dev-x")),
        ("Address 10.0.0.0/8", ORDINARY._replace(addr="10.0.0.0")),
        ("Address 10.*,192.168.*", ORDINARY._replace(addr="10.1.1.1")),
        ("Address *,!192.0.2.0/24", ORDINARY._replace(addr="1.1.1.1")),
        ("Address 2001:db8::/32", ORDINARY._replace(addr="2001:db8::")),
        ("LocalAddress 10.1.2.3", ORDINARY._replace(laddr="10.1.2.3")),
        ("LocalPort 2222", ORDINARY._replace(lport="2222")),
        ("RDomain mgmt", ORDINARY._replace(rdomain="mgmt")),
        ("Host *.example.net", ORDINARY._replace(host="x.example.net")),
        ("User bob Address 10.1.2.3 LocalPort 22", ORDINARY._replace(user="bob", addr="10.1.2.3", lport="22")),
        ("Group wheel", ORDINARY._replace(user="alice")),
        ("Group staff", ORDINARY._replace(user="carol")),
        ("Group none-such", ORDINARY),
        ("all", ORDINARY),
        ("invalid-user User bob", ORDINARY._replace(user="bob")),
        ("Version OpenSSH_10*", ORDINARY),
        ("Address nonsense", ORDINARY),
        ("User", ORDINARY),
    ],
)
def test_a_connection_that_a_match_line_matches(tmp_path: Path, match: str, expected: Connection) -> None:
    (tmp_path / "group").write_text("wheel:x:10:alice,bob\nstaff:x:50:\nshort\n")
    (tmp_path / "passwd").write_text("carol:x:1003:50::/home/carol:/bin/sh\n")
    assert fulfilling(match, str(tmp_path)) == expected
