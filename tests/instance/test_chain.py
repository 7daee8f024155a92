# SPDX-License-Identifier: Apache-2.0
"""Beside a site's own AuthorizedKeysCommand: both give keys, and neither can take the other's away."""

from __future__ import annotations

import base64
import subprocess
from typing import Dict, Iterator, List, Set, Tuple

import pytest

from testbed.machines import images
from testbed.machines.aws import DROP_IN
from testbed.machines.client import USER, Key

from . import packages, site
from .etc import changes, snapshot
from .instances import Instance, instance

CHAIN = "/etc/eic-sshd/conf.d/60-chain.conf"


@pytest.fixture(scope="module")
def chained_machine(release: str) -> Iterator[Tuple[Instance, Key, Dict[str, str]]]:
    """A machine whose sshd asked a site's script before, the site's key, and /etc as it was before `enable --chain`."""
    with instance(release) as made:
        key = made.client.key()
        site.put(made.machine, key)
        made.install(packages.deb())
        made.aws.trust()
        made.eic_sshd("disable")  # the socket, which the package enables whether or not sshd asks
        before = snapshot(made.machine)
        made.eic_sshd("enable", "--chain")
        yield made, key, before


@pytest.fixture
def chained(chained_machine: Tuple[Instance, Key, Dict[str, str]]) -> Instance:
    made = chained_machine[0]
    site.set_mode(made.machine, "work")
    made.aws.heal()
    return made


@pytest.fixture
def sites(chained_machine: Tuple[Instance, Key, Dict[str, str]]) -> Key:
    return chained_machine[1]


@pytest.fixture
def pushed(chained: Instance) -> Key:
    key = chained.client.key()
    chained.aws.push(USER, key.line)
    return key


def chain_statuses(at: Instance, cursor: str) -> Set[str]:
    """How the chained command ended since `cursor`."""
    return {record["EIC_CHAIN_STATUS"] for record in at.machine.records(cursor) if "EIC_CHAIN_STATUS" in record}


def test_pushed_key_and_the_sites_key_log_in(chained: Instance, sites: Key, pushed: Key) -> None:
    chained.sshd_test()
    assert site.COMMAND in chained.machine.read(CHAIN)
    before = chained.machine.cursor()
    assert chained.client.login(pushed).output == USER
    assert chained.client.login(sites).output == USER
    assert {"granted", "fingerprint-mismatch"} <= {
        record.get("EIC_REASON") for record in chained.machine.records(before)
    }
    assert chain_statuses(chained, before) == {"0"}


def test_daemon_answers_the_sites_user(chained: Instance, pushed: Key) -> None:
    chained.machine.run("systemctl", "stop", "eic-sshd.service")
    assert chained.client.login(pushed).output == USER
    assert chained.machine.run("systemctl", "is-active", "eic-sshd.service", check=False).stdout == "active\n"


def test_systemd_reports_nothing_about_the_sites_user(chained: Instance) -> None:
    assert "SocketUser=65534" in chained.machine.read("/etc/systemd/system/eic-sshd.socket.d/60-chain.conf")
    before = chained.machine.cursor()
    chained.machine.run("systemctl", "daemon-reload")
    said = chained.machine.run("journalctl", f"--after-cursor={before}", "_PID=1", "-o", "cat").stdout
    assert "nobody" not in said
    assert "60-chain.conf" not in said


def test_enable_chain_changes_nothing_when_repeated(chained: Instance) -> None:
    before = snapshot(chained.machine)
    chained.eic_sshd("enable", "--chain")
    chained.eic_sshd("enable")
    assert changes(before, snapshot(chained.machine)) == {}


@pytest.mark.parametrize("mode", ["fail", "hang"])
def test_pushed_key_logs_in_while_the_sites_command_fails(chained: Instance, pushed: Key, mode: str) -> None:
    site.set_mode(chained.machine, mode)
    assert chained.client.login(pushed).output == USER
    other = chained.client.key()
    assert chained.client.login(other, pushed).output == USER


@pytest.mark.parametrize("fault", ["hang", "error-500", "drop"])
def test_sites_key_logs_in_while_imds_fails(chained: Instance, sites: Key, fault: str) -> None:
    chained.aws.fault(fault)
    assert chained.client.login(sites).output == USER
    chained.machine.run("systemctl", "stop", "eic-sshd.socket", "eic-sshd.service")
    assert chained.client.login(sites).output == USER
    chained.machine.run("systemctl", "start", "eic-sshd.socket")


def test_disable_restores_the_sites_configuration_exactly(
    chained: Instance, chained_machine: Tuple[Instance, Key, Dict[str, str]], sites: Key, pushed: Key
) -> None:
    chained.eic_sshd("disable")
    assert changes(chained_machine[2], snapshot(chained.machine)) == {}
    chained.sshd_test()
    assert chained.client.login(sites).output == USER
    assert not chained.client.login(pushed).ok
    chained.eic_sshd("enable", "--chain")
    assert chained.client.login(pushed).output == USER


@pytest.mark.parametrize("place", ["10-site.conf", "90-site.conf", "sshd_config"])
def test_sites_command_in_any_file_is_chained_and_restored(release: str, place: str) -> None:
    with instance(release) as made:
        sites, pushed = made.client.key(), made.client.key()
        path = "/etc/ssh/sshd_config" if place == "sshd_config" else f"/etc/ssh/sshd_config.d/{place}"
        site.put(made.machine, sites, path)
        before = snapshot(made.machine)
        made.install(packages.deb())
        made.aws.trust()
        made.eic_sshd("enable", "--chain")
        made.aws.push(USER, pushed.line)
        assert made.client.login(pushed).output == USER
        assert made.client.login(sites).output == USER
        made.machine.run("rm", DROP_IN)
        made.apt("purge", "eic-sshd")
        made.sshd_test()
        after = changes(before, snapshot(made.machine))
        assert {path: how for path, how in after.items() if "eic" in path or path.startswith("ssh/")} == {}
        assert made.client.login(sites).output == USER


def chain_settings(at: Instance) -> List[str]:
    """What the chain's file sets; an upgrade may write its comments again."""
    return [line for line in at.machine.read(CHAIN).splitlines() if not line.startswith("#")]


def test_upgrade_and_reinstallation_keep_the_chain(release: str) -> None:
    with instance(release) as made:
        sites, pushed = made.client.key(), made.client.key()
        site.put(made.machine, sites)
        made.install(packages.previous_deb(made.machine.folder))
        made.aws.trust()
        made.eic_sshd("enable", "--chain")
        before, settings = snapshot(made.machine), chain_settings(made)
        for step in ("upgrade", "removal"):
            if step == "removal":
                made.apt("remove", "eic-sshd")
                made.sshd_test()
                assert made.client.login(sites).output == USER
            made.install(packages.deb())
            made.sshd_test()
            # An older build may have other comments there.
            ours = {CHAIN.removeprefix("/etc/"), "eic-sshd/eic-sshd.conf"}
            assert set(changes(before, snapshot(made.machine))) <= ours
            assert chain_settings(made) == settings
            made.aws.push(USER, pushed.line)
            assert made.client.login(pushed).output == USER
            assert made.client.login(sites).output == USER


_SSSD = """[sssd]
services = nss, ssh
domains = local
certificate_verification = no_verification
[domain/local]
id_provider = proxy
proxy_lib_name = files
auth_provider = none
"""


def put_sssd(at: Instance) -> Key:
    """Debian's sssd, with a domain of this machine's own users, which sshd asks; the key that it has for one of them.

    sssd makes keys of the certificates that a directory has (sssd.conf(5), ssh_use_certificate_keys); sss_override(8)
    stands in for a directory.
    """
    at.apt("install", "--no-install-recommends", *images.SSSD)
    at.machine.write("/etc/sssd/sssd.conf", _SSSD, 0o600)
    at.machine.run("systemctl", "restart", "sssd.service")
    private, certificate = at.machine.folder / "sssd-key", at.machine.folder / "sssd-certificate"
    wanted = "-days 2 -subj /CN=x -addext keyUsage=digitalSignature -addext extendedKeyUsage=clientAuth"
    where = ["-keyout", str(private), "-outform", "DER", "-out", str(certificate)]
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *wanted.split(), *where]
    subprocess.run(openssl, check=True, capture_output=True)
    encoded = base64.b64encode(certificate.read_bytes()).decode()
    at.machine.run("getent", "passwd", "-s", "sss", USER)  # it knows whom it was asked for
    at.machine.run("sss_override", "user-add", f"{USER}@local", "--certificate", encoded)
    at.machine.run("systemctl", "restart", "sssd.service")
    at.machine.write(
        site.DROP_IN, "AuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys\nAuthorizedKeysCommandUser nobody\n"
    )
    at.machine.reload_sshd()
    return Key(str(private), at.machine.run("sss_ssh_authorizedkeys", USER).stdout.strip())


def test_chain_works_with_sssd(bare: Instance) -> None:
    sssds = put_sssd(bare)
    assert bare.client.login(sssds).output == USER
    said = bare.install(packages.deb())
    assert "eic-sshd enable --chain" in said
    assert bare.client.login(sssds).output == USER
    bare.aws.trust()
    bare.eic_sshd("enable", "--chain")
    bare.sshd_test()
    pushed, on_disk, other = bare.client.key(), bare.client.key(), bare.client.key()
    bare.client.put_on_disk(on_disk)
    bare.aws.push(USER, pushed.line)
    before = bare.machine.cursor()
    for keys in ([sssds], [pushed], [on_disk], [other, on_disk], [other, sssds]):
        assert bare.client.login(*keys).output == USER
    assert chain_statuses(bare, before) == {"0"}
    bare.aws.fault("hang")
    assert bare.client.login(sssds).output == USER
    bare.aws.heal()
    bare.aws.push(USER, pushed.line)
    bare.machine.run("systemctl", "stop", "sssd.service")
    before = bare.machine.cursor()
    assert bare.client.login(pushed).output == USER
    assert bare.client.login(other, on_disk).output == USER
    assert chain_statuses(bare, before) - {"0"}
    bare.machine.run("systemctl", "start", "sssd.service")
    bare.eic_sshd("disable")
    assert bare.client.login(sssds).output == USER
    assert not bare.client.login(pushed).ok
