# SPDX-License-Identifier: Apache-2.0
"""The other settings of sshd: they are as before, installed or not, and none of them stops installation or removal."""

from __future__ import annotations

import pytest

from testbed.machines.client import USER

from . import packages
from .instances import SSHD_CONFIG, Instance

PRINCIPALS = "AuthorizedPrincipalsCommand /usr/bin/true %i\nAuthorizedPrincipalsCommandUser nobody\n"
LIKE_USERDB = "AuthorizedKeysCommand /usr/bin/true %u\nAuthorizedKeysCommandUser root\n"
USERDB = "/etc/ssh/sshd_config.d/20-systemd-userdb.conf"
LOGIN = "user=x,host=x,addr=192.0.2.1,laddr=192.0.2.2,lport=22"


def others(at: Instance) -> list[str]:
    """All that is in force, but for our two settings."""
    shown = at.machine.run("sshd", "-T", "-C", LOGIN).stdout.splitlines()
    return [line for line in shown if not line.lower().startswith("authorizedkeyscommand")]


def test_certificates_still_log_in_or_the_line_to_move_is_named(bare: Instance) -> None:
    own = bare.machine.read(SSHD_CONFIG)
    bare.machine.write(SSHD_CONFIG, own + PRINCIPALS)
    before = others(bare)
    said = bare.install(packages.deb())
    assert others(bare) == before
    if bare.release == "bookworm":  # OpenSSH 9.2
        assert "AuthorizedPrincipalsCommand would become none" in said
        assert "AuthorizedPrincipalsCommand would become none" in bare.eic_sshd("enable", status=1)
        bare.machine.write(SSHD_CONFIG, PRINCIPALS + own)
        assert others(bare) == before
        bare.eic_sshd("enable")
    assert others(bare) == before
    bare.aws.trust()
    key = bare.client.key()
    bare.aws.push(USER, key.line)
    assert bare.client.login(key).output == USER
    bare.apt("remove", "eic-sshd")
    assert others(bare) == before


@pytest.mark.parametrize("match", ["LocalPort 22", "RDomain mgmt"])
def test_installation_and_removal_succeed_with_a_match_block_of_any_kind(bare: Instance, match: str) -> None:
    block = f"Match {match}\n    X11Forwarding no\n"
    bare.machine.write(SSHD_CONFIG, bare.machine.read(SSHD_CONFIG) + block)
    bare.machine.reload_sshd()
    bare.install(packages.deb())
    bare.aws.trust()
    key = bare.client.key()
    bare.aws.push(USER, key.line)
    assert bare.client.login(key).output == USER
    bare.eic_sshd("check-config", "--strict")
    for verb in ("disable", "enable"):
        bare.eic_sshd(verb)
    bare.apt("purge", "eic-sshd")
    assert not bare.client.login(key).ok
    bare.sshd_test()


def test_replaced_command_stays_replaced_through_a_removal_and_is_restored(bare: Instance) -> None:
    bare.machine.write(USERDB, LIKE_USERDB)
    said = bare.install(packages.deb())
    assert "20-systemd-userdb.conf:1" in said
    assert "eic-sshd enable --replace" in said
    bare.aws.trust()
    bare.eic_sshd("enable", "--replace")
    key = bare.client.key()
    bare.aws.push(USER, key.line)
    assert bare.client.login(key).output == USER
    bare.eic_sshd("check-config", "--strict")
    bare.apt("remove", "eic-sshd")
    assert not bare.client.login(key).ok
    bare.install(packages.deb())
    assert bare.client.login(key).output == USER
    bare.eic_sshd("disable")
    assert bare.machine.read(USERDB) == LIKE_USERDB
    assert not bare.client.login(key).ok


def test_socket_that_does_not_listen_is_a_finding_with_a_lasting_remedy(bare: Instance) -> None:
    bare.install(packages.deb())
    socket = "eic-sshd.socket"
    for break_it, problem in (
        (f"systemctl disable -q --now {socket}", f"{socket}: the unit is disabled"),
        (f"systemctl mask -q --now {socket}", f"{socket}: the unit is masked"),
        (f"systemctl mask -q --runtime --now {socket}", f"{socket}: the unit is masked"),
        ("systemctl mask -q --now eic-sshd.service", "eic-sshd.service: the unit is masked"),
        (f"systemctl stop {socket}", f"{socket}: the unit is not listening"),
    ):
        bare.machine.shell(break_it)
        printed = bare.eic_sshd("check-config", status=1)
        assert problem in printed
        (line,) = (line for line in printed.splitlines() if problem in line)
        bare.machine.shell(line.split("`")[1])
        bare.eic_sshd("check-config", "--strict")
        assert bare.machine.run("systemctl", "is-enabled", socket).stdout == "enabled\n"


def test_check_config_fails_where_no_pushed_key_can_log_in(bare: Instance) -> None:
    bare.machine.write("/etc/ssh/sshd_config.d/10-site.conf", "PubkeyAuthentication no\n")
    assert "10-site.conf:1: no key logs in" in bare.install(packages.deb())
    assert "warning: /etc/ssh/sshd_config.d/10-site.conf:1" in bare.eic_sshd("check-config")
    for option in (["--strict"], ["--fail-on", "warning"]):
        bare.eic_sshd("check-config", *option, status=1)
