# SPDX-License-Identifier: Apache-2.0
"""`apt-get install ./eic-sshd_*.deb` and nothing else: logins, their records, and every way that IMDS can be away."""

from __future__ import annotations

import concurrent.futures
import time

import pytest

from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sshd.model.outcome import Outcome
from eic_sshd.model.reasons import Reason
from testbed.keys import fingerprint
from testbed.machines.client import OTHER, USER

from . import packages
from .instances import Instance

_FALLBACK = "[fallback]\nkeys_file = /etc/eic-sshd/keys/%u\nwhen = unavailable\n"


def test_pushed_key_logs_in_right_after_the_installation(bare: Instance) -> None:
    bare.sshd_test()
    bare.install(packages.deb())
    bare.sshd_test()
    bare.aws.trust()
    key = bare.client.key()
    assert not bare.client.login(key).ok
    bare.aws.push(USER, key.line)
    login = bare.client.login(key)
    assert (login.output, login.errors) == (USER, "")


def test_records_of_a_login_have_all_fields(installed: Instance) -> None:
    key = installed.client.key()
    request_id = installed.aws.push(USER, key.line)
    before, pushed = installed.machine.cursor(), time.time()
    assert installed.client.login(key).output == USER
    records = installed.machine.records(before)
    assert [record["EIC_SOURCE"] for record in records] == ["imds", "cache"]
    for record in records:
        fixed = {
            "MESSAGE_ID": Outcome.GRANTED.message_id.replace("-", ""),
            "SYSLOG_IDENTIFIER": "eic-sshd",
            "SYSLOG_FACILITY": "10",
            "PRIORITY": str(Reason.GRANTED.severity),
            "EIC_DECISION": "granted",
            "EIC_REASON": "granted",
            "EIC_USER": USER,
            "EIC_FINGERPRINT": fingerprint(key.line),
            "EIC_KEY_TYPE": "ssh-ed25519",
            "EIC_REQUEST_ID": request_id,
            "EIC_INSTANCE_ID": InstanceMetadata().instance_id,
        }
        assert {name: record.get(name) for name in fixed} == fixed
        assert record["EIC_CALLER"].startswith("arn:aws:")
        assert pushed - 5 < int(record["EIC_EXPIRES"]) - installed.aws.window <= time.time()
        assert int(record["EIC_ELAPSED_US"]) > 0
        assert fingerprint(key.line) in record["MESSAGE"]


def test_record_has_the_pid_of_sshds_own_log_line(installed: Instance) -> None:
    key = installed.client.key()
    installed.aws.push(USER, key.line)
    before = installed.machine.cursor()
    assert installed.client.login(key).ok
    asked = {record["EIC_SSHD_PID"] for record in installed.machine.records(before)}
    accepted = [
        entry for entry in installed.machine.sshd_entries(before) if entry["MESSAGE"].startswith("Accepted publickey")
    ]
    assert len(accepted) == 1
    assert fingerprint(key.line) in accepted[0]["MESSAGE"]
    assert asked == {accepted[0]["_PID"]}


def test_simultaneous_logins_while_the_service_starts_succeed(installed: Instance) -> None:
    """No more than sshd itself takes at once (MaxStartups)."""
    keys = [installed.client.key() for _ in range(8)]
    for key in keys:
        installed.aws.push(USER, key.line)
    with concurrent.futures.ThreadPoolExecutor(len(keys)) as pool:
        logins = list(pool.map(installed.client.login, keys))
    assert [login.output for login in logins] == [USER] * len(keys), logins


def test_key_pushed_for_one_user_does_not_log_in_another(installed: Instance) -> None:
    key = installed.client.key()
    installed.aws.push(OTHER, key.line)
    assert not installed.client.login(key, user=USER).ok
    assert installed.client.login(key, user=OTHER).output == OTHER


def test_key_is_refused_after_its_window(own: Instance) -> None:
    own.aws.stop()
    own.aws.window = 20
    own.aws.start()
    own.machine.run("systemctl", "stop", "eic-sshd.service")
    key = own.client.key()
    own.aws.push(USER, key.line)
    pushed = time.monotonic()
    assert own.client.login(key).ok
    before = own.machine.cursor()
    time.sleep(max(0.0, pushed + own.aws.window + 1 - time.monotonic()))
    assert not own.client.login(key).ok
    assert [record["EIC_REASON"] for record in own.machine.records(before)] == ["no-active-keys"]


def test_key_that_imds_still_lists_after_its_expiry_is_refused(installed: Instance) -> None:
    key = installed.client.key()
    installed.aws.push(USER, key.line)
    installed.aws.fault("past-timestamp")
    before = installed.machine.cursor()
    assert not installed.client.login(key).ok
    (record,) = installed.machine.records(before)
    assert (record["EIC_DECISION"], record["EIC_REASON"], record["EIC_USER"]) == ("refused", "expired", USER)


@pytest.mark.parametrize("fault", ["hang", "error-500", "drop", "forbidden", "garbage"])
def test_key_on_disk_logs_in_with_any_fault_of_imds_on_a_machine(installed: Instance, fault: str) -> None:
    unknown, on_disk = installed.client.key(), installed.client.key()
    installed.client.put_on_disk(on_disk)
    installed.aws.fault(fault)
    assert installed.client.login(unknown, on_disk).output == USER
    assert installed.client.login(on_disk).output == USER


def test_key_on_disk_logs_in_with_imds_dead(own: Instance) -> None:
    unknown, on_disk = own.client.key(), own.client.key()
    own.client.put_on_disk(on_disk)
    own.aws.stop()
    before = own.machine.cursor()
    assert own.client.login(unknown, on_disk).output == USER
    assert own.client.login(on_disk).output == USER
    assert {record["EIC_REASON"] for record in own.machine.records(before)} == {"imds-unreachable"}


def test_fallback_key_logs_in_while_imds_is_dead(own: Instance) -> None:
    kept, other = own.client.key(), own.client.key()
    own.client.put_on_disk(other)
    own.machine.write(f"/etc/eic-sshd/keys/{USER}", f"{kept.line}\n")
    own.machine.write("/etc/eic-sshd/conf.d/20-fallback.conf", _FALLBACK)
    own.machine.write("/etc/ssh/sshd_config.d/50-no-files.conf", "AuthorizedKeysFile none\n")
    own.machine.reload_sshd()
    assert not own.client.login(kept).ok
    own.aws.stop()
    before = own.machine.cursor()
    assert own.client.login(kept).output == USER
    assert not own.client.login(other).ok
    found = [(record["EIC_DECISION"], record.get("EIC_SOURCE")) for record in own.machine.records(before)]
    assert found[:2] == [("fallback", "file")] * 2


@pytest.mark.parametrize("kind", ["on disk", "pushed"])
def test_login_causes_no_error_in_sshds_log(installed: Instance, kind: str) -> None:
    key = installed.client.key()
    if kind == "pushed":
        installed.aws.push(USER, key.line)
    else:
        installed.client.put_on_disk(key)
    before = installed.machine.cursor()
    assert installed.client.login(key).output == USER
    logged = installed.machine.sshd_entries(before)
    assert any(entry["MESSAGE"].startswith("Accepted publickey") for entry in logged)
    wrong = [
        entry["MESSAGE"]
        for entry in logged
        if int(entry["PRIORITY"]) <= 4 or "error" in entry["MESSAGE"].lower() or "status" in entry["MESSAGE"]
    ]
    assert wrong == []


def test_service_has_no_privileges(installed: Instance) -> None:
    key = installed.client.key()
    installed.aws.push(USER, key.line)
    assert installed.client.login(key).ok
    pid = installed.machine.run("systemctl", "show", "-P", "MainPID", "eic-sshd.service").stdout.strip()
    status = dict(line.split(":\t", 1) for line in installed.machine.read(f"/proc/{pid}/status").splitlines())
    assert "0" not in status["Uid"].split()
    found = {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")}
    assert found == {"CapEff": 0, "CapPrm": 0, "CapBnd": 0, "NoNewPrivs": 1, "Seccomp": 2}


def test_installed_files_are_those_of_the_deb(installed: Instance) -> None:
    assert installed.machine.run("dpkg", "--verify", "eic-sshd").stdout == ""
    sources = installed.machine.shell("find /usr/lib/eic-sshd/eic_sshd -name '*.py'").splitlines()
    compiled = installed.machine.shell("find /usr/lib/eic-sshd/eic_sshd -name '*.pyc'").splitlines()
    assert len(compiled) == len(sources) > 0
    written = installed.machine.shell("find /usr/lib/eic-sshd ! -user root -o -perm /022 ! -type l")
    assert written == ""


def test_service_reaches_only_imds(installed: Instance) -> None:
    """systemd says so, and the kernel keeps it: this machine has what IPAddressDeny= takes."""
    properties = ["-p", "IPAddressDeny=any", "-p", "IPAddressAllow=169.254.169.254"]
    connect = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
    unit = ["systemd-run", "--quiet", "--wait", "--pipe", *properties, "python3", "-c", connect]
    assert installed.machine.run(*unit, "169.254.169.254", "80", check=False).returncode == 0
    assert installed.machine.run(*unit, "127.0.0.1", "22", check=False).returncode != 0
    shown = installed.machine.run("systemctl", "show", "eic-sshd.service", "-p", "IPAddressDeny,IPAddressAllow").stdout
    values = dict(line.split("=", 1) for line in shown.splitlines())
    assert set(values["IPAddressDeny"].split()) == {"::/0", "0.0.0.0/0"}
    assert set(values["IPAddressAllow"].split()) == {"169.254.169.254/32", "fd00:ec2::254/128"}
