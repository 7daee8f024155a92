# SPDX-License-Identifier: Apache-2.0
"""The rpm, as far as Debian's rpm goes: its scriptlets, what it lays out, and that this works."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from testbed.machines import images
from testbed.machines.aws import DROP_IN
from testbed.machines.client import USER

from . import packages, site
from .instances import Instance, instance

LIBRARIES = ("python3-requests", "python3-cryptography", "python3-systemd", "openssl")
# There is no rpm database of the distribution's own packages that dependencies could be looked up in.
FORCE = ("--nodeps", "--force-debian")
OURS = "/etc/ssh/sshd_config.d/60-eic-sshd.conf"


@pytest.fixture(scope="module")
def machine_with_rpm(release: str) -> Iterator[Instance]:
    if release != "bookworm":
        pytest.skip("one release's rpm is enough: neither is a distribution that the rpm is for")
    with instance(release) as made:
        made.apt("install", *LIBRARIES)
        made.apt("install", "--no-install-recommends", *images.RPM)
        made.machine.run("rpm", "-i", *FORCE, made.machine.copy_in(packages.rpm()))
        made.aws.trust()
        yield made


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of an older build."""
    return packages.previous_rpm(tmp_path_factory.mktemp("previous"))


def rpm(at: Instance, *arguments: str) -> str:
    return at.machine.run("rpm", *arguments).stdout


def test_installed_files_are_those_of_the_rpm(machine_with_rpm: Instance) -> None:
    changed = [line for line in rpm(machine_with_rpm, "-V", "--nodeps", "eic-sshd").splitlines() if line]
    assert changed == []


def test_installed_files_belong_to_root_and_only_root_may_write_them(machine_with_rpm: Instance) -> None:
    paths = rpm(machine_with_rpm, "-ql", "--noghost", "eic-sshd").splitlines()
    assert "/usr/lib/eic-sshd/authorized-keys" in paths
    shown = machine_with_rpm.machine.run("stat", "-c", "%U:%G %A %n", *paths).stdout
    for line in shown.splitlines():
        owner, mode, path = line.split(" ", 2)
        assert owner == "root:root", path
        executable = path in ("/usr/bin/eic-sshd", "/usr/lib/eic-sshd/authorized-keys")
        wanted = "drwxr-xr-x" if mode.startswith("d") else "-rwxr-xr-x" if executable else "-rw-r--r--"
        assert mode == wanted, path


def test_scriptlets_create_user_byte_code_and_socket(machine_with_rpm: Instance) -> None:
    machine = machine_with_rpm.machine
    assert ":/usr/sbin/nologin" in machine.run("getent", "passwd", "eic-sshd").stdout
    assert machine.shell("find /usr/lib/eic-sshd -name '*.pyc' | head -n 1") != ""
    assert machine.run("systemctl", "is-active", "eic-sshd.socket").stdout == "active\n"
    assert machine.run("systemctl", "is-enabled", "eic-sshd.socket").stdout == "enabled\n"
    assert machine.exists(OURS)
    machine_with_rpm.sshd_test()


def test_installed_rpm_runs_and_a_pushed_key_logs_in(machine_with_rpm: Instance) -> None:
    machine = machine_with_rpm.machine
    assert machine.run("eic-sshd", "--version").stdout.strip() != ""
    key = machine_with_rpm.client.key()
    machine_with_rpm.aws.push(USER, key.line)
    printed = machine.run("setpriv", "--reuid=eic-sshd", "--clear-groups", "/usr/lib/eic-sshd/authorized-keys", USER)
    assert printed.stdout.split() == key.line.split()[:2]
    assert machine_with_rpm.client.login(key).output == USER


@pytest.mark.parametrize("kind", ["an upgrade", "a reinstallation", "going back"])
def test_rpm_operation_restarts_the_service_behind_the_same_socket(
    machine_with_rpm: Instance, previous: Path, kind: str
) -> None:
    machine, client = machine_with_rpm.machine, machine_with_rpm.client
    pushed = client.key()
    current = machine.copy_in(packages.rpm())
    older = machine.copy_in(previous)
    rpm(machine_with_rpm, "-U", "--oldpackage", "--replacepkgs", *FORCE, older if kind == "an upgrade" else current)
    machine_with_rpm.aws.push(USER, pushed.line)
    assert client.login(pushed).output == USER
    socket, resident = machine.shell("stat -c %i /run/eic-sshd/authorize.sock"), machine_with_rpm.service_pid()
    new = older if kind == "going back" else current
    rpm(machine_with_rpm, "-U", "--oldpackage", "--replacepkgs", *FORCE, new)
    assert ("previous" in machine.run("eic-sshd", "--version").stdout) == (new == older)
    machine_with_rpm.sshd_test()
    assert client.login(pushed).output == USER
    assert machine.shell("stat -c %i /run/eic-sshd/authorize.sock") == socket
    assert machine_with_rpm.service_pid() not in ("0", resident)


def test_rpm_is_not_removed_while_sshd_cannot_be_reloaded(machine_with_rpm: Instance) -> None:
    machine, client = machine_with_rpm.machine, machine_with_rpm.client
    machine.shell("echo NoSuchOption yes >>/etc/ssh/sshd_config")
    done = machine.run("rpm", "-e", *FORCE[:1], "eic-sshd", check=False)
    assert done.returncode != 0
    assert "not removed, because sshd may still run it" in done.stderr
    pushed = client.key()
    machine_with_rpm.aws.push(USER, pushed.line)
    assert client.login(pushed).output == USER
    machine.shell("sed -i '/NoSuchOption/d' /etc/ssh/sshd_config")


def erase(at: Instance) -> None:
    """Erase the package, and the sandbox's drop-in with its configuration."""
    at.machine.run("rm", "-f", DROP_IN)
    rpm(at, "-e", *FORCE[:1], "eic-sshd")


def install(at: Instance) -> str:
    """Install the package, and have it trust the sandbox; what rpm printed."""
    done = at.machine.run("rpm", "-i", *FORCE, at.machine.copy_in(packages.rpm()))
    at.aws.trust()
    return done.stdout + done.stderr


def effective(at: Instance, keyword: str) -> str:
    """The value of `keyword` in sshd's configuration; empty where sshd prints none."""
    lines = at.machine.run("sshd", "-T").stdout.splitlines()
    found = [line.split(None, 1)[1] for line in lines if line.lower().startswith(f"{keyword.lower()} ")]
    return found[0] if found else ""


def test_drop_in_of_sshd_belongs_to_the_rpm(machine_with_rpm: Instance) -> None:
    assert rpm(machine_with_rpm, "-qf", OURS).startswith("eic-sshd-")


def test_rpm_leaves_the_socket_enabled_where_presets_disable_units(machine_with_rpm: Instance) -> None:
    machine = machine_with_rpm.machine
    machine.write("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")
    machine.run("systemctl", "preset-all", "--preset-mode=full", check=False)
    assert machine.run("systemctl", "is-enabled", "eic-sshd.socket").stdout == "enabled\n"
    machine.run("systemctl", "enable", "ssh.service", "dbus.socket")


def test_removed_rpm_leaves_a_valid_sshd_configuration(machine_with_rpm: Instance) -> None:
    machine, client = machine_with_rpm.machine, machine_with_rpm.client
    on_disk, pushed = client.key(), client.key()
    client.put_on_disk(on_disk)
    machine_with_rpm.aws.push(USER, pushed.line)
    assert client.login(pushed).output == USER
    erase(machine_with_rpm)
    machine_with_rpm.sshd_test()
    assert not machine.exists(OURS)
    assert not machine.exists("/usr/lib/eic-sshd")
    assert not machine.exists("/etc/eic-sshd")
    assert client.login(on_disk).output == USER
    assert not client.login(pushed).ok
    assert machine.shell("find /etc -name '*eic?sshd*'") == ""


def test_reinstalled_rpm_is_enabled(machine_with_rpm: Instance) -> None:
    install(machine_with_rpm)
    assert effective(machine_with_rpm, "AuthorizedKeysCommand").startswith("/usr/lib/eic-sshd/")
    assert machine_with_rpm.machine.run("systemctl", "is-enabled", "eic-sshd.socket").stdout == "enabled\n"
    assert not machine_with_rpm.machine.exists("/var/lib/eic-sshd/enabled-before-removal")


def test_reinstalled_rpm_chains_or_replaces_the_same_command(
    machine_with_rpm: Instance,
) -> None:
    machine, client = machine_with_rpm.machine, machine_with_rpm.client
    machine.run("eic-sshd", "disable")
    sites, pushed = client.key(), client.key()
    site.put(machine, sites)
    machine.run("eic-sshd", "enable", "--chain")
    erase(machine_with_rpm)
    assert effective(machine_with_rpm, "AuthorizedKeysCommand") == f"{site.COMMAND} %u"
    install(machine_with_rpm)
    assert effective(machine_with_rpm, "AuthorizedKeysCommand").startswith("/usr/lib/eic-sshd/")
    machine_with_rpm.aws.push(USER, pushed.line)
    assert client.login(pushed).output == USER
    assert client.login(sites).output == USER
    machine.run("eic-sshd", "enable", "--replace")
    erase(machine_with_rpm)
    install(machine_with_rpm)
    assert client.login(pushed).output == USER
    assert not client.login(sites).ok


def test_reinstalled_rpm_is_disabled_after_disable(machine_with_rpm: Instance) -> None:
    machine = machine_with_rpm.machine
    machine.run("rm", site.DROP_IN)
    machine.run("eic-sshd", "disable")
    erase(machine_with_rpm)
    assert "not enabled now. Run: eic-sshd enable" in install(machine_with_rpm)
    assert not machine.exists(OURS)
    assert machine.run("systemctl", "is-enabled", "eic-sshd.socket", check=False).stdout == "disabled\n"
    machine.run("eic-sshd", "enable")
    erase(machine_with_rpm)
    install(machine_with_rpm)
    assert machine.exists(OURS)


def test_foreign_lines_in_the_drop_in_stay_when_the_rpm_is_removed(machine_with_rpm: Instance) -> None:
    machine = machine_with_rpm.machine
    theirs = "# theirs\nMaxAuthTries 3\n"
    machine.write(OURS, machine.read(OURS) + theirs)
    erase(machine_with_rpm)
    assert machine.read(OURS) == theirs
    assert machine.shell("ls /etc/ssh/sshd_config.d").split() == ["60-eic-sshd.conf"]
    machine_with_rpm.sshd_test()


def test_rpm_is_not_removed_when_its_state_cannot_be_saved(machine_with_rpm: Instance) -> None:
    machine = machine_with_rpm.machine
    machine.run("rm", OURS)
    install(machine_with_rpm)
    machine.shell("rm -rf /var/lib/eic-sshd; echo >/var/lib/eic-sshd")
    done = machine.run("rpm", "-e", *FORCE[:1], "eic-sshd", check=False)
    assert done.returncode != 0
    assert "not removed: /var/lib/eic-sshd/enabled-before-removal could not be written" in done.stderr
    assert effective(machine_with_rpm, "AuthorizedKeysCommand").startswith("/usr/lib/eic-sshd/")
    machine.run("rm", "/var/lib/eic-sshd")
    erase(machine_with_rpm)
    machine_with_rpm.sshd_test()
