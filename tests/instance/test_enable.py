# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd enable` and `disable` on a running machine, and what the package does where sshd is not as expected."""

from __future__ import annotations

from typing import Dict, Iterator

import pytest

from testbed.machines.client import OTHER, USER, Key, session

from . import packages, site
from .etc import changes, snapshot
from .instances import SSHD_CONFIG, Instance, instance

OURS = "/etc/ssh/sshd_config.d/60-eic-sshd.conf"


def effective(instance: Instance) -> Dict[str, str]:
    """What `sshd -T` says, keywords in lower case (OpenSSH 10.6 has them mixed)."""
    shown = instance.machine.run("sshd", "-T").stdout
    pairs = (line.partition(" ") for line in shown.splitlines())
    return {keyword.lower(): value for keyword, _, value in pairs}


@pytest.fixture
def key(installed: Instance) -> Key:
    """A key that is pushed for the user."""
    made = installed.client.key()
    installed.aws.push(USER, made.line)
    return made


@pytest.fixture
def on_disk(bare: Instance) -> Iterator[Key]:
    """A key that the bare machine has on its disk, and that gets in at the end as well, with sshd in order."""
    made = bare.client.key()
    bare.client.put_on_disk(made)
    yield made
    assert bare.client.login(made).output == USER


def test_disable_and_enable_take_effect_at_once_and_restore_etc(installed: Instance, key: Key) -> None:
    before = snapshot(installed.machine)
    installed.eic_sshd("disable")
    installed.sshd_test()
    assert not installed.machine.exists(OURS)
    assert effective(installed).get("authorizedkeyscommand", "none") == "none"
    assert not installed.client.login(key).ok
    installed.eic_sshd("enable")
    installed.sshd_test()
    assert changes(before, snapshot(installed.machine)) == {}
    assert installed.client.login(key).output == USER


BUSY = """
pids=
trap 'kill $pids' EXIT
for n in 1 2 3 4 5 6; do
    while :; do :; done &
    pids="$pids $!"
done
for n in 1 2 3 4 5 6; do
    exec {client}<>/dev/tcp/127.0.0.1/22  # one that is not logged in yet
    for verb in disable enable; do
        eic-sshd $verb
        (exec {next}<>/dev/tcp/127.0.0.1/22) || exit 7
    done
done
"""


def test_sshd_accepts_connections_after_each_change_on_a_busy_machine(own: Instance) -> None:
    own.machine.run("bash", "-euc", BUSY, timeout=600)


# The reload itself succeeds; a moment later sshd starts again, and finds no host key.
DIES = """[Service]
ExecReload=
ExecReload=/bin/sh -c '(sleep 1; mkdir /root/keys; mv /etc/ssh/ssh_host_* /root/keys; kill -HUP $MAINPID) &'
Restart=no
"""
CROWD = """
for n in 1 2 3 4 5; do
    exec {client}<>/dev/tcp/127.0.0.1/22  # one that is not logged in yet
done
eic-sshd disable
"""


def test_sshd_that_dies_at_its_reload_is_reported(own: Instance) -> None:
    own.machine.write("/etc/systemd/system/ssh.service.d/dies.conf", DIES)
    own.machine.run("systemctl", "daemon-reload")
    said = own.machine.run("bash", "-c", CROWD, check=False, timeout=300)
    assert said.returncode == 1, said.stdout + said.stderr
    assert "it was reloaded but is not listening. Check its log" in said.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_closed_streams_do_not_stop_enable_and_disable(installed: Instance, closed: str) -> None:
    before = snapshot(installed.machine)
    for verb in ("disable", "enable", "enable", "check-config"):
        done = installed.machine.run("sh", "-c", f"eic-sshd {verb} {closed}", check=False)
        assert done.returncode == (1 if verb == "check-config" and "full" in closed else 0), done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert installed.machine.exists(OURS) is (verb != "disable")
    assert changes(before, snapshot(installed.machine)) == {}


def test_every_cause_of_an_unanswering_daemon_is_a_finding(own: Instance) -> None:
    own.eic_sshd("check-config")
    own.machine.write("/etc/eic-sshd/conf.d/20-imds.conf", "[imds]\nendpoint = http://127.0.0.1:8080\n")
    assert "add IPAddressAllow=127.0.0.1 under [Service]" in own.eic_sshd("check-config", status=1)
    own.machine.run("rm", "/etc/eic-sshd/conf.d/20-imds.conf")
    own.machine.run("chmod", "0700", "/run/eic-sshd")
    printed = own.eic_sshd("check-config", status=1)
    assert "eic-sshd may not enter /run/eic-sshd, so each login is slower (owner uid 0, mode 0700)" in printed
    own.machine.run("chmod", "0755", "/run/eic-sshd")
    own.machine.run("systemctl", "kill", "--signal=KILL", "eic-sshd.service", check=False)
    own.machine.run("systemctl", "stop", "eic-sshd.socket")
    assert "eic-sshd.socket: the unit is not listening" in own.eic_sshd("check-config", status=1)
    own.machine.write("/etc/systemd/system/eic-sshd.service.d/x.conf", "[Service]\nExecStart=\nExecStart=/bin/false\n")
    own.machine.shell("systemctl daemon-reload; systemctl start eic-sshd.socket; ! systemctl start eic-sshd.service")
    assert "eic-sshd.service: the unit has failed" in own.eic_sshd("check-config", status=1)


def test_enable_and_disable_change_nothing_when_repeated(installed: Instance) -> None:
    before = snapshot(installed.machine)
    installed.eic_sshd("enable")
    assert changes(before, snapshot(installed.machine)) == {}
    installed.eic_sshd("disable")
    disabled = snapshot(installed.machine)
    installed.eic_sshd("disable")
    assert changes(disabled, snapshot(installed.machine)) == {}
    installed.eic_sshd("enable")


def test_dry_run_reports_its_changes_and_makes_none(installed: Instance, key: Key) -> None:
    before = snapshot(installed.machine)
    assert OURS in installed.eic_sshd("disable", "--dry-run")
    assert changes(before, snapshot(installed.machine)) == {}
    assert installed.client.login(key).ok
    installed.eic_sshd("disable")
    disabled = snapshot(installed.machine)
    assert OURS in installed.eic_sshd("enable", "--dry-run")
    assert changes(disabled, snapshot(installed.machine)) == {}
    assert not installed.client.login(key).ok
    installed.eic_sshd("enable")


def test_enable_and_disable_need_root(installed: Instance) -> None:
    before = snapshot(installed.machine)
    for verb in ("disable", "enable"):
        done = installed.machine.run("setpriv", "--reuid=nobody", "--clear-groups", "eic-sshd", verb, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert changes(before, snapshot(installed.machine)) == {}


@pytest.mark.parametrize("disk", ["ro,size=1m", "size=4k"])
def test_full_disk_is_reported_and_nothing_changes(installed: Instance, key: Key, disk: str) -> None:
    folder = "/etc/ssh/sshd_config.d"
    installed.eic_sshd("disable")
    installed.machine.run("mount", "-t", "tmpfs", "-o", disk, "tmpfs", folder)
    try:
        installed.machine.shell(f"cat /dev/zero >{folder}/filling 2>/dev/null || true")
        before = snapshot(installed.machine)
        assert folder in installed.eic_sshd("enable", status=1)
        assert changes(before, snapshot(installed.machine)) == {}
        assert installed.machine.shell(f"ls -A {folder}").split() in ([], ["filling"])
        installed.sshd_test()
        assert not installed.client.login(key).ok
    finally:
        installed.machine.run("umount", folder)
    installed.eic_sshd("enable")
    assert installed.client.login(key).output == USER


def test_stopped_sshd_is_not_started(installed: Instance) -> None:
    installed.machine.run("systemctl", "stop", "ssh.service")
    try:
        for verb in ("disable", "enable"):
            installed.eic_sshd(verb)
            done = installed.machine.run("systemctl", "is-active", "ssh.service", "ssh.socket", check=False)
            assert "\nactive" not in f"\n{done.stdout}"
    finally:
        installed.machine.run("systemctl", "start", "ssh.service")


UNIT = "/etc/systemd/system/corp-sshd.service"


def check_that_sshd_is_told(at: Instance, pushed: Key) -> None:
    """What is disabled and enabled counts from the next login on."""
    at.eic_sshd("disable")
    assert not at.client.login(pushed).ok
    at.eic_sshd("enable")
    assert at.client.login(pushed).output == USER


AGENT = "mkdir -p /run/sshd; /usr/sbin/sshd; exec sleep infinity"
OTHER_SSHDS = {
    "by a unit that is about something else": f"systemd-run -q --unit=agent -p ExecReload=/bin/true sh -c '{AGENT}'; "
    "for try in 1 2 3 4 5 6 7 8 9; do ! pgrep -f listener || break; sleep 0.2; done",
    "under a unit of another name": f"sed /^Alias=/d /lib/systemd/system/ssh.service >{UNIT}; systemctl daemon-reload; "
    "systemctl start corp-sshd.service",
    # systemd takes the folder away a moment after it has stopped the service.
    "outside of systemd": "for try in 1 2 3 4 5; do mkdir -p /run/sshd; /usr/sbin/sshd && break; sleep 1; done",
}


@pytest.mark.parametrize("how", OTHER_SSHDS)
def test_sshd_started_outside_systemd_is_reloaded(own: Instance, how: str) -> None:
    own.machine.shell(f"systemctl disable -q --now ssh.service; {OTHER_SSHDS[how]}")
    key = own.client.key()
    own.aws.push(USER, key.line)
    with session(own.client, key) as held:
        check_that_sshd_is_told(own, key)
        assert held.lives()


def test_socket_activated_sshd_runs_eic_sshd(bare: Instance, on_disk: Key) -> None:
    """Also if a user is logged in during the installation, as in the building of images."""
    bare.machine.shell("systemctl disable -q --now ssh.service; systemctl enable -q --now ssh.socket")
    with session(bare.client, on_disk) as held:
        bare.install(packages.deb())
        bare.aws.trust()
        key = bare.client.key()
        bare.aws.push(USER, key.line)
        assert bare.client.login(key).output == USER
        check_that_sshd_is_told(bare, key)
        assert held.lives()


def test_socket_activated_sshd_survives_repeated_changes(bare: Instance, on_disk: Key) -> None:
    """systemd gives up what is started five times in ten seconds, and with it the socket."""
    bare.machine.shell("systemctl disable -q --now ssh.service; systemctl enable -q --now ssh.socket")
    assert bare.client.login(on_disk).output == USER
    bare.install(packages.deb())
    for verb in ("enable", "disable", "enable", "disable", "enable", "enable", "enable"):
        bare.eic_sshd(verb)
        assert bare.client.login(on_disk).output == USER


def test_installation_succeeds_and_leaves_an_invalid_sshd_config_unchanged(bare: Instance, on_disk: Key) -> None:
    with_mistake = bare.machine.read(SSHD_CONFIG) + "NoSuchOption yes\n"
    bare.machine.write(SSHD_CONFIG, with_mistake)
    before = snapshot(bare.machine)
    said = bare.install(packages.deb())
    assert "eic-sshd enable" in said
    assert "NoSuchOption" in said
    assert bare.machine.read(SSHD_CONFIG) == with_mistake
    assert not [path for path in changes(before, snapshot(bare.machine)) if path.startswith("ssh/")]
    assert bare.client.login(on_disk).output == USER
    assert "NoSuchOption" in bare.eic_sshd("enable", status=1)
    bare.machine.write(SSHD_CONFIG, with_mistake.replace("NoSuchOption yes\n", ""))
    bare.aws.trust()
    bare.eic_sshd("enable")
    key = bare.client.key()
    bare.aws.push(USER, key.line)
    assert bare.client.login(key).output == USER


def test_missing_include_line_is_reported_with_the_line_to_add(bare: Instance, on_disk: Key) -> None:
    bare.machine.shell(f"sed -i 's/^Include/#Include/' {SSHD_CONFIG}")
    bare.machine.reload_sshd()
    before = snapshot(bare.machine)
    said = bare.install(packages.deb())
    line = "Include /etc/ssh/sshd_config.d/*.conf"
    assert line in said
    assert not [path for path in changes(before, snapshot(bare.machine)) if path.startswith("ssh/")]
    assert line in bare.eic_sshd("enable", status=1)
    bare.machine.shell(f"sed -i '1i {line}' {SSHD_CONFIG}")
    bare.eic_sshd("enable")
    bare.sshd_test()
    assert effective(bare)["authorizedkeyscommand"].startswith("/usr/lib/eic-sshd/authorized-keys ")


def test_match_block_keeps_its_command_and_other_users_get_pushed_keys(bare: Instance, on_disk: Key) -> None:
    sites, pushed = bare.client.key(), bare.client.key()
    site.put_command(bare.machine, sites, OTHER)
    block = f"Match User {OTHER}\n    " + site.SETTINGS.replace("\n", "\n    ").rstrip() + "\n"
    bare.machine.write(SSHD_CONFIG, bare.machine.read(SSHD_CONFIG) + block)
    bare.machine.reload_sshd()
    said = bare.install(packages.deb())
    assert "Match" in said
    bare.sshd_test()
    bare.aws.trust()
    bare.aws.push(USER, pushed.line)
    assert bare.client.login(pushed).output == USER
    assert bare.client.login(sites, user=OTHER).output == OTHER


def test_sites_authorized_keys_command_is_not_overridden(bare: Instance, on_disk: Key) -> None:
    key = bare.client.key()
    site.put(bare.machine, key)
    before, settings = snapshot(bare.machine), effective(bare)
    said = bare.install(packages.deb())
    assert "eic-sshd enable --chain" in said
    assert not [path for path in changes(before, snapshot(bare.machine)) if path.startswith("ssh/")]
    assert effective(bare) == settings
    assert bare.client.login(key).output == USER
    assert "eic-sshd enable --chain" in bare.eic_sshd("enable", status=1)
    bare.eic_sshd("disable")
    assert not [path for path in changes(before, snapshot(bare.machine)) if path.startswith("ssh/")]
    assert effective(bare) == settings
    assert bare.client.login(key).output == USER


def test_command_among_sshds_start_options_is_a_finding(bare: Instance, on_disk: Key) -> None:
    key = bare.client.key()
    site.put_command(bare.machine, key)
    options = f"-o AuthorizedKeysCommand={site.COMMAND} -o AuthorizedKeysCommandUser=nobody"
    bare.machine.write("/etc/default/ssh", f'SSHD_OPTS="{options}"\n')
    bare.machine.run("systemctl", "restart", "ssh.service")
    assert bare.client.login(key).output == USER
    said = bare.install(packages.deb())
    assert "/etc/default/ssh" in said
    assert "/etc/default/ssh" in bare.eic_sshd("enable", status=1)
    assert not bare.machine.exists(OURS)
    assert bare.client.login(key).output == USER


@pytest.mark.parametrize("host_keys", ["there", "absent"])
def test_image_built_in_a_chroot_works_from_its_first_boot(release: str, host_keys: str) -> None:
    with instance(release, boot=False) as built:
        if host_keys == "absent":
            built.machine.shell("rm /etc/ssh/ssh_host_*")
        built.install(packages.deb())
        built.aws.trust()
        # What cloud-init does at the first boot.
        built.machine.shell("ssh-keygen -A")
        built.machine.boot()
        built.aws.start()
        built.sshd_test()
        key = built.client.key()
        built.aws.push(USER, key.line)
        before = built.machine.cursor()
        assert built.client.login(key).output == USER
        assert [record["EIC_SOURCE"] for record in built.machine.records(before)] == ["imds", "cache"]
