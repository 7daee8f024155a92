# SPDX-License-Identifier: Apache-2.0
"""Remove, reinstall, purge: sshd serves throughout, and nothing points at what is gone."""

from __future__ import annotations

from . import packages, site
from .aws import DROP_IN
from .client import USER, Key
from .conftest import Instance
from .etc import changes, snapshot
from .test_chain import CHAIN


def check_without(at: Instance, pushed: Key, on_disk: Key) -> None:
    """sshd is in order and does not ask: the key on disk logs in, the pushed one does not."""
    at.sshd_test()
    assert "authorizedkeyscommand none" in at.machine.run("sshd", "-T").stdout
    assert at.client.login(on_disk).output == USER
    assert not at.client.login(pushed).ok
    states = ["--state=active", "--state=failed", "--plain", "--no-legend"]
    assert at.machine.run("systemctl", "list-units", *states, "eic-sshd*").stdout == ""
    assert not at.machine.exists("/run/eic-sshd")
    failed = at.machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout
    assert failed == ""


def test_removed_reinstalled_and_purged_with_sshd_serving(own: Instance) -> None:
    pushed, on_disk = own.client.key(), own.client.key()
    own.client.put_on_disk(on_disk)
    own.aws.push(USER, pushed.line)
    before = snapshot(own.machine)
    assert own.client.login(pushed).ok

    own.apt("remove", "eic-sshd")
    check_without(own, pushed, on_disk)
    assert own.machine.exists("/etc/eic-sshd/eic-sshd.conf")

    own.install(packages.deb())
    own.sshd_test()
    assert changes(before, snapshot(own.machine)) == {}
    own.aws.push(USER, pushed.line)
    assert own.client.login(pushed).output == USER
    assert own.client.login(on_disk).output == USER

    own.machine.run("rm", DROP_IN)  # the administrator's own
    own.apt("purge", "eic-sshd")
    check_without(own, pushed, on_disk)


def test_purging_leaves_the_system_user_and_nothing_else(bare: Instance) -> None:
    before = files(bare)
    bare.install(packages.deb())
    bare.apt("purge", "eic-sshd")
    bare.machine.run("rm", f"/root/{packages.deb().name}")
    assert files(bare) - before == set()
    assert bare.machine.run("getent", "passwd", "eic-sshd").stdout.endswith(":/usr/sbin/nologin\n")


def test_purging_takes_away_what_disabling_had_to_leave(bare: Instance) -> None:
    """Where sshd's configuration is invalid, a running sshd goes on asking, and gets what the chained command adds."""
    before = files(bare)
    site.put(bare.machine, bare.client.key())
    bare.install(packages.deb())
    bare.machine.run("eic-sshd", "enable", "--chain")
    bare.machine.shell("echo NoSuchOption yes >>/etc/ssh/sshd_config")
    bare.apt("remove", "eic-sshd")
    assert bare.machine.exists(CHAIN)
    bare.apt("purge", "eic-sshd")
    bare.machine.run("rm", f"/root/{packages.deb().name}")
    assert files(bare) - before == set()
    bare.machine.shell("sed -i '/NoSuchOption/d' /etc/ssh/sshd_config")
    bare.sshd_test()


def files(at: Instance) -> set[str]:
    """The names of everything on the disk that is called after eic-sshd."""
    return set(at.machine.shell("find / -xdev -path /proc -prune -o -name '*eic?sshd*' -print").splitlines())
