# SPDX-License-Identifier: Apache-2.0
"""Remove, reinstall, purge: sshd serves throughout, and nothing points at what is gone."""

from __future__ import annotations

from testbed.machines.aws import DROP_IN
from testbed.machines.client import USER, Key

from . import packages, site
from .etc import changes, snapshot
from .instances import Instance


def command(at: Instance) -> str:
    """The AuthorizedKeysCommand in force; newer sshds print its keyword in mixed case, or not at all."""
    pairs = (line.partition(" ") for line in at.machine.run("sshd", "-T").stdout.splitlines())
    return {keyword.lower(): value for keyword, _, value in pairs}.get("authorizedkeyscommand", "none")


def check_without(at: Instance, pushed: Key, on_disk: Key) -> None:
    """sshd is in order and does not ask: the key on disk logs in, the pushed one does not."""
    at.sshd_test()
    assert command(at) == "none"
    assert at.client.login(on_disk).output == USER
    assert not at.client.login(pushed).ok
    states = ["--state=active", "--state=failed", "--plain", "--no-legend"]
    assert at.machine.run("systemctl", "list-units", *states, "eic-sshd*").stdout == ""
    assert not at.machine.exists("/run/eic-sshd")
    failed = at.machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout
    assert failed == ""


def test_deb_is_removed_reinstalled_and_purged_while_sshd_serves(own: Instance) -> None:
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


def test_purged_deb_leaves_only_the_system_user(bare: Instance) -> None:
    before = files(bare)
    bare.install(packages.deb())
    bare.apt("purge", "eic-sshd")
    bare.machine.run("rm", f"/root/{packages.deb().name}")
    assert files(bare) - before == set()
    assert bare.machine.run("getent", "passwd", "eic-sshd").stdout.endswith(":/usr/sbin/nologin\n")


def test_deb_is_not_removed_while_sshd_cannot_be_reloaded(bare: Instance) -> None:
    """A running sshd goes on asking, whatever becomes of its configuration."""
    before = files(bare)
    sites, pushed = bare.client.key(), bare.client.key()
    site.put(bare.machine, sites)
    bare.install(packages.deb())
    bare.aws.trust()
    bare.machine.run("eic-sshd", "enable", "--chain")
    bare.machine.shell("echo NoSuchOption yes >>/etc/ssh/sshd_config")
    done = bare.machine.run("apt-get", "-y", "purge", "eic-sshd", check=False)
    assert done.returncode != 0
    assert "NoSuchOption" in done.stdout + done.stderr
    assert "not removed, because sshd may still run it. Correct the errors above" in done.stdout + done.stderr
    bare.aws.push(USER, pushed.line)
    assert bare.client.login(pushed).output == USER
    assert bare.client.login(sites).output == USER
    bare.machine.shell("sed -i '/NoSuchOption/d' /etc/ssh/sshd_config")
    bare.machine.run("rm", DROP_IN)
    bare.apt("purge", "eic-sshd")
    bare.machine.run("rm", f"/root/{packages.deb().name}")
    assert files(bare) - before == set()
    bare.sshd_test()
    assert bare.client.login(sites).output == USER


def test_reinstalled_deb_reports_that_it_was_disabled(bare: Instance) -> None:
    """Whether the administrator had disabled it or could not have it enabled: that may have changed meanwhile."""
    bare.machine.write("/etc/ssh/sshd_config.d/10-site.conf", "AuthorizedKeysCommand none\n")
    bare.install(packages.deb())
    bare.apt("remove", "eic-sshd")
    bare.machine.run("rm", "/etc/ssh/sshd_config.d/10-site.conf")
    assert "is not enabled now. Run: eic-sshd enable" in bare.install(packages.deb())
    assert command(bare) == "none"
    bare.machine.run("eic-sshd", "enable")
    bare.apt("remove", "eic-sshd")
    bare.install(packages.deb())
    assert command(bare).startswith("/usr/lib/eic-sshd/")


def test_reinstalled_deb_replaces_the_same_command(bare: Instance) -> None:
    """By the same option, which the administrator gave once: in the meantime the site's command is in force."""
    sites, pushed = bare.client.key(), bare.client.key()
    site.put(bare.machine, sites)
    bare.install(packages.deb())
    bare.aws.trust()
    bare.machine.run("eic-sshd", "enable", "--replace")
    bare.apt("remove", "eic-sshd")
    assert bare.client.login(sites).output == USER
    bare.install(packages.deb())
    bare.aws.push(USER, pushed.line)
    assert bare.client.login(pushed).output == USER
    assert not bare.client.login(sites).ok
    bare.machine.run("eic-sshd", "disable")
    assert bare.client.login(sites).output == USER


def test_deb_is_not_removed_when_its_state_cannot_be_saved(own: Instance) -> None:
    pushed = own.client.key()
    own.machine.shell("rm -rf /var/lib/eic-sshd; echo >/var/lib/eic-sshd")
    done = own.machine.run("apt-get", "-y", "remove", "eic-sshd", check=False)
    assert done.returncode != 0
    assert "not removed: /var/lib/eic-sshd/enabled-before-removal could not be written" in done.stderr + done.stdout
    own.aws.push(USER, pushed.line)
    assert own.client.login(pushed).output == USER
    own.machine.run("rm", "/var/lib/eic-sshd")
    own.apt("remove", "eic-sshd")
    own.sshd_test()


def test_deb_leaves_the_socket_enabled_where_presets_disable_units(own: Instance) -> None:
    own.machine.write("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")
    own.machine.run("systemctl", "preset-all", check=False)
    assert own.machine.run("systemctl", "is-enabled", "eic-sshd.socket").stdout == "enabled\n"


def files(at: Instance) -> set[str]:
    """The names of everything on the disk that is called after eic-sshd."""
    return set(at.machine.shell("find / -xdev -path /proc -prune -o -name '*eic?sshd*' -print").splitlines())
