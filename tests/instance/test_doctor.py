# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd doctor` on machines that are broken in each way: one root cause, and the command that it prints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Set

import pytest

from testbed.machines import images
from testbed.machines.client import USER
from testbed.machines.machine import IMDS

from .instances import SSHD_CONFIG, Instance

DROP_INS = "/etc/ssh/sshd_config.d"
SITE = f"{DROP_INS}/10-site.conf"
OTHER_COMMAND = "AuthorizedKeysCommand /usr/bin/true %%u\\nAuthorizedKeysCommandUser"
RELOAD = "systemctl reload ssh.service; sleep 1"
PROGRAM = "/usr/lib/eic-sshd/authorized-keys"
UNIT = "/etc/systemd/system/ssh.service.d/site.conf"
SERVICE = "/etc/systemd/system/eic-sshd.service.d"


@dataclass(frozen=True)
class Breakage:
    """How the machine is broken, the code of the root cause, and how the rest of it is undone after the test.

    `is_corrected` says that the command that doctor prints is run, and corrects it.
    """

    shell: str
    code: str
    undo: str = ""
    is_corrected: bool = True
    options: str = ""


def site(text: str) -> str:
    """A drop-in of the site with a `text` for printf, which sshd reads."""
    return f"printf '{text}\\n' >{SITE}; {RELOAD}"


REMOVE_SITE = f"rm -f {SITE}; {RELOAD}; eic-sshd enable; sleep 1"
# The number of each is that of the list of what breaks such set-ups.
BREAKAGES = {
    "1 another command": Breakage(site(f"{OTHER_COMMAND} nobody"), "other-command", REMOVE_SITE),
    "2 the unit overrides it": Breakage(
        f"mkdir -p $(dirname {UNIT}); printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/sshd -D "
        f"-o AuthorizedKeysCommand=/usr/bin/true -o AuthorizedKeysCommandUser=nobody\\n' >{UNIT}; "
        "systemctl daemon-reload; systemctl restart ssh.service",
        "sshd-option-override",
    ),
    "3 an earlier drop-in": Breakage(
        f"printf '{OTHER_COMMAND} root\\n' >{DROP_INS}/20-systemd-userdb.conf; {RELOAD}",
        "other-command",
        f"rm {DROP_INS}/20-systemd-userdb.conf; {REMOVE_SITE}",
    ),
    "4 a Match block": Breakage(
        f"printf 'Match User {USER}\\n{OTHER_COMMAND} nobody\\n' >>{SSHD_CONFIG}; {RELOAD}",
        "match-block-command",
        f"sed -i '/^Match User/,$d' {SSHD_CONFIG}; {RELOAD}",
        is_corrected=False,
        options=f"--user {USER}",
    ),
    "5 no Include": Breakage(f"sed -i '/^Include/d' {SSHD_CONFIG}; {RELOAD}", "not-included"),
    "5 our file is gone": Breakage(f"rm {DROP_INS}/60-eic-sshd.conf; {RELOAD}", "not-enabled"),
    "6 not reloaded": Breakage(
        f"sleep 2; printf 'MaxAuthTries 5\\n' >{SITE}; sleep 1", "sshd-not-reloaded", REMOVE_SITE
    ),
    "7 no public keys": Breakage(site("PubkeyAuthentication no"), "public-keys-disabled", REMOVE_SITE),
    "7 a second factor": Breakage(
        site("AuthenticationMethods publickey,password"), "second-factor", REMOVE_SITE, is_corrected=False
    ),
    "8 no type of key": Breakage(
        site("PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com"),
        "key-types-not-accepted",
        REMOVE_SITE,
        is_corrected=False,
    ),
    "9 AllowUsers": Breakage(site("AllowUsers root"), "user-not-listed", REMOVE_SITE, options=f"--user {USER}"),
    "9 DenyUsers": Breakage(
        site(f"DenyUsers {USER}@10.0.0.0/8"),
        "user-denied",
        REMOVE_SITE,
        is_corrected=False,
        options=f"--user {USER} --addr 10.1.2.3",
    ),
    "9 the shell": Breakage(
        f"sed -i '/^{USER}:/s|[^:]*$|/bin/none|' /etc/passwd", "shell-unusable", options=f"--user {USER}"
    ),
    "10 a folder's group may write": Breakage("chmod g+w /usr/lib/eic-sshd", "program-unsafe"),
    "10 another owner": Breakage(f"chown nobody {PROGRAM}", "program-unsafe"),
    "11 not executable": Breakage(f"chmod 0644 {PROGRAM}", "program-unusable"),
    "11 a folder of root's alone": Breakage("chmod 0700 /usr/lib/eic-sshd", "program-unusable"),
    "11 another Python": Breakage(
        "cp $(realpath /usr/bin/python3) /usr/bin/python3.99; ln -sfn python3.99 /usr/bin/python3",
        "python-replaced",
        "rm /usr/bin/python3.99",
    ),
    "12 no user": Breakage("systemctl stop eic-sshd.service; userdel eic-sshd", "account-missing"),
    "15 the service may not reach IMDS": Breakage(
        f"mkdir -p {SERVICE}; printf '[Service]\\nIPAddressAllow=\\n' >{SERVICE}/50-site.conf; systemctl daemon-reload",
        "imds-address-denied",
        f"rm -r {SERVICE}; systemctl daemon-reload",
    ),
    "19 no openssl": Breakage(
        "mv /usr/bin/openssl /root", "openssl-missing", "mv /root/openssl /usr/bin", is_corrected=False
    ),
    "20 an expired account": Breakage(f"chage -E 1 {USER}", "account-expired", options=f"--user {USER}"),
    "20 nologin": Breakage("touch /etc/nologin", "nologin", options=f"--user {USER}"),
    "23 no other login method": Breakage(
        site("PasswordAuthentication no\\nKbdInteractiveAuthentication no\\nAuthorizedKeysFile none"),
        "no-other-login",
        REMOVE_SITE,
        is_corrected=False,
    ),
    "24 socket stopped": Breakage("systemctl stop eic-sshd.socket", "socket-unit-inactive"),
    "24 socket disabled": Breakage("systemctl disable -q --now eic-sshd.socket", "socket-unit-disabled"),
    "24 socket masked": Breakage("systemctl mask -q --now eic-sshd.socket", "unit-masked"),
    "24 service masked": Breakage("systemctl mask -q --now eic-sshd.service", "unit-masked"),
    "24 the socket's folder": Breakage("chmod 0700 /run/eic-sshd", "socket-folder-denied"),
    "25 users of another machine": Breakage(
        "cp /etc/nsswitch.conf /root; sed -i '/^passwd:/s/$/ nis/' /etc/nsswitch.conf",
        "user-database-unreachable",
        "cp /root/nsswitch.conf /etc",
        is_corrected=False,
    ),
}
# Faults of the sandbox, with what they stand for.
FAULTS = {
    "14 forbidden": "imds-disabled",
    "16 hang": "imds-hop-limit",
    "17 bad-instance-id": "imds-error",
    "19 stale-staples": "staple-invalid",
    "19 other-root": "signer-untrusted",
}


def doctor(at: Instance, *options: str) -> Dict[str, Any]:
    """The JSON that doctor prints."""
    done = at.machine.run("eic-sshd", "doctor", "--json", *options, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: Dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 1) is (found["status"] == "problem"), found
    return found


def shown(found: Dict[str, Any]) -> List[Dict[str, Any]]:
    return [one for one in found["findings"] if one["hidden_by"] is None and one["status"] != "ok"]


def codes(found: Dict[str, Any]) -> Set[str]:
    return {one["code"] for one in shown(found)}


@pytest.fixture(scope="module")
def usual(shared: Instance) -> Set[str]:
    """What a machine of these tests has beside: its IMDS is a sandbox, its clock is the host's."""
    found = doctor(shared, "--user", USER)
    assert found["status"] != "problem", found
    assert codes(found) <= {"imds-unusual-server", "clock-unsynchronized"}, found
    return codes(found)


@pytest.fixture
def undone(installed: Instance) -> Iterator[List[str]]:
    """Scripts that a test adds, which are run after it."""
    scripts: List[str] = []
    yield scripts
    for script in scripts:
        installed.machine.shell(script)


@pytest.mark.parametrize("name", BREAKAGES)
def test_one_root_cause_is_named_and_its_command_corrects_it(
    installed: Instance, usual: Set[str], undone: List[str], name: str
) -> None:
    breakage = BREAKAGES[name]
    options = ["--skip", "records", *breakage.options.split()]
    installed.machine.shell(breakage.shell)
    if breakage.undo:
        undone.append(breakage.undo)
    found = doctor(installed, *options)
    assert codes(found) - usual == {breakage.code}, found
    if found["status"] == "problem":
        assert found["root_cause"] == breakage.code
    (command,) = {one["command"] for one in shown(found) if one["code"] == breakage.code}
    if not breakage.is_corrected:
        return
    assert command, found
    installed.machine.shell(f"{command}; sleep 1")
    assert codes(doctor(installed, *options)) <= usual


def test_the_place_of_our_line_that_changes_certificate_logins_is_named_and_corrected(
    installed: Instance, usual: Set[str], undone: List[str]
) -> None:
    """26: OpenSSH before 9.4."""
    if installed.release != "bookworm":
        pytest.skip("its OpenSSH is newer")
    path = f"{DROP_INS}/70-site.conf"
    undone.append(f"rm {path}; {REMOVE_SITE}")
    text = "AuthorizedPrincipalsCommand /usr/bin/true %%i\\nAuthorizedPrincipalsCommandUser nobody\\n"
    installed.machine.shell(f"printf '{text}' >{path}; {RELOAD}")
    found = doctor(installed, "--skip", "records")
    assert codes(found) - usual == {"other-setting-changed"}, found
    (command,) = {one["command"] for one in shown(found) if one["code"] == "other-setting-changed"}
    installed.machine.shell(f"{command}; sleep 1")
    assert codes(doctor(installed, "--skip", "records")) <= usual


@pytest.mark.parametrize("name", FAULTS)
def test_one_root_cause_is_named_while_imds_has_the_fault(installed: Instance, usual: Set[str], name: str) -> None:
    installed.aws.fault(name.split()[1])
    found = doctor(installed, "--skip", "records")
    assert codes(found) - usual == {FAULTS[name]}, found
    installed.aws.heal()
    assert codes(doctor(installed, "--skip", "records")) <= usual


def test_a_proxy_in_place_of_imds_is_a_problem_whatever_it_answers(installed: Instance, usual: Set[str]) -> None:
    """17: as the hardware reports another instance than IMDS."""
    tag = "/sys/devices/virtual/dmi/id/board_asset_tag"
    before = installed.machine.read(tag)
    installed.machine.write(tag, "i-00000000000000000\n")
    try:
        found = doctor(installed, "--skip", "records")
    finally:
        installed.machine.write(tag, before)
    assert codes(found) - usual == {"imds-impostor"}, found
    assert found["root_cause"] == "imds-impostor"


def test_firewall_rule_for_the_commands_user_is_named_and_its_command_removes_it(own: Instance) -> None:
    """15."""
    own.apt("install", "--no-install-recommends", *images.FIREWALL)
    before = codes(doctor(own, "--skip", "records"))
    own.machine.shell(f"iptables -A OUTPUT -d {IMDS} -m owner --uid-owner eic-sshd -j REJECT")
    found = doctor(own, "--skip", "records")
    assert codes(found) - before == {"imds-blocked-for-user"}, found
    (command,) = {one["command"] for one in shown(found) if one["code"] == "imds-blocked-for-user"}
    own.machine.shell(command)
    assert codes(doctor(own, "--skip", "records")) == before


def test_too_many_keys_and_dropped_connections_are_found_in_the_log(own: Instance) -> None:
    """21 and 22."""
    own.machine.shell(site("MaxAuthTries 2\\nMaxStartups 1"))
    assert not own.client.login(*(own.client.key() for _ in range(4))).ok
    own.machine.run(
        "bash", "-c", "exec {a}<>/dev/tcp/127.0.0.1/22; exec {b}<>/dev/tcp/127.0.0.1/22; read -t 3 -u $b; sleep 1"
    )
    found = doctor(own, "--only", "records")
    assert codes(found) == {"too-many-keys", "connections-dropped"}, found


def test_another_user_sees_a_part_and_no_traceback(installed: Instance) -> None:
    done = installed.machine.run("setpriv", "--reuid=nobody", "--clear-groups", "eic-sshd", "doctor", check=False)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout
    assert "unknown  running-sshd: only root can see it" in done.stdout
    failed = installed.machine.run(
        "setpriv", "--reuid=nobody", "--clear-groups", "eic-sshd", "doctor", "--fail-on", "warning", check=False
    )
    assert failed.returncode == 1


def test_nothing_is_changed(installed: Instance, usual: Set[str]) -> None:
    listing = "find /etc /run/eic-sshd /usr/lib/eic-sshd /var/lib/eic-sshd -xdev -printf '%p %T@ %m %U\\n' | sort"
    before = installed.machine.shell(listing)
    doctor(installed, "--user", USER)
    assert installed.machine.shell(listing) == before
    assert usual
