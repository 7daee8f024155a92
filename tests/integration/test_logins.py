# SPDX-License-Identifier: Apache-2.0
"""Logins of a real ssh through a real sshd, on a private host."""

from __future__ import annotations

import concurrent.futures
import io
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Iterator

import paramiko
import pytest

from eic_sshd import client as authorized_keys
from eic_sshd.model import public_key
from testbed import private_host, processes, waiting
from testbed.sshd import Sshd

from .installed_client import Client
from .logins import CALLER, OTHER, USER, public, reasons, records
from .sk_agent import SoftwareSecurityKey, agent

pytestmark = pytest.mark.skipif(
    not private_host.is_inside(), reason="a real sshd needs root: run `make test` as root for a private host"
)


@pytest.fixture
def sshd(login_client: Client, folder: Path) -> Iterator[Sshd]:
    with Sshd(str(folder), " ".join(login_client.arguments())) as running:
        yield running


KEYGEN = {
    "ssh-ed25519": ["-t", "ed25519"],
    "ssh-rsa": ["-t", "rsa", "-b", "2048"],
    "ecdsa-sha2-nistp256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa-sha2-nistp384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa-sha2-nistp521": ["-t", "ecdsa", "-b", "521"],
}
SECURITY_KEYS = [public_key.SK_ED25519, public_key.SK_ECDSA]


@pytest.mark.parametrize("key_type", KEYGEN)
def test_pushed_key_of_each_type_logs_in(sshd: Sshd, login_client: Client, key: Any, key_type: str) -> None:
    private = key(*KEYGEN[key_type])
    login_client.sandbox.instance.push(USER, public(private), CALLER)
    login = sshd.login(USER, [private])
    assert (login.ok, login.output) == (True, USER), login.errors
    assert {record["key_type"] for record in records(login_client)} == {key_type}


@pytest.mark.parametrize("key_type", SECURITY_KEYS)
def test_pushed_security_key_logs_in(sshd: Sshd, login_client: Client, folder: Path, key_type: str) -> None:
    security_key = SoftwareSecurityKey(key_type)
    login_client.sandbox.instance.push(USER, security_key.line, CALLER)
    with agent(security_key, str(folder / "agent")) as path:
        login = sshd.login(USER, [], agent=path)
    assert (login.ok, login.output) == (True, USER), login.errors


def test_every_supported_key_type_has_a_login_test() -> None:
    assert {*KEYGEN, *SECURITY_KEYS} == set(public_key.SUPPORTED_TYPES)


def test_paramiko_logs_in_with_a_pushed_key(sshd: Sshd, login_client: Client, key: Any) -> None:
    private = key()
    login_client.sandbox.instance.push(USER, public(private), CALLER)
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        loaded = paramiko.Ed25519Key.from_private_key(io.StringIO(Path(private).read_text()))
        client.connect("127.0.0.1", sshd.port, USER, pkey=loaded, allow_agent=False, look_for_keys=False)
        _, output, _ = client.exec_command("id -un")
        assert output.read().decode().strip() == USER


def test_client_that_offers_four_keys_logs_in_with_the_pushed_one(sshd: Sshd, login_client: Client, key: Any) -> None:
    offered = [key() for _ in range(4)]
    login_client.sandbox.instance.push(USER, public(offered[3]), CALLER)
    assert sshd.login(USER, offered).ok
    assert reasons(login_client) == ["fingerprint-mismatch"] * 3 + ["granted"] * 2


def test_record_has_the_pid_of_the_sshd_that_asked(sshd: Sshd, login_client: Client, key: Any) -> None:
    private = key()
    login_client.sandbox.instance.push(USER, public(private), CALLER)
    # The shell's parent, or its parent's parent, is the sshd process whose record says "Accepted publickey".
    shown = "ppid=$PPID; echo $ppid; ps -o ppid= -p $ppid 2>/dev/null || cut -d' ' -f4 /proc/$ppid/stat"
    login = sshd.login(USER, [private], shown)
    assert login.ok
    assert {record["sshd_pid"] for record in records(login_client)} <= set(map(int, login.output.split()))


def test_key_that_is_not_pushed_is_refused(sshd: Sshd, login_client: Client, key: Any) -> None:
    assert not sshd.login(USER, [key()]).ok
    assert reasons(login_client) == ["no-active-keys"]


def test_key_pushed_for_another_user_does_not_log_in(sshd: Sshd, login_client: Client, key: Any) -> None:
    private = key()
    login_client.sandbox.instance.push(OTHER, public(private), CALLER)
    assert not sshd.login(USER, [private]).ok
    assert sshd.login(OTHER, [private]).output == OTHER


def test_key_that_is_no_longer_pushed_is_refused(sshd: Sshd, login_client: Client, key: Any) -> None:
    private = key()
    login_client.sandbox.instance.push(USER, public(private), CALLER)
    assert sshd.login(USER, [private]).ok
    login_client.sandbox.instance.forget_keys()
    assert not sshd.login(USER, [private]).ok


@pytest.mark.parametrize("fault", ["other-root", "bad-signature", "past-timestamp", "far-future-timestamp", "revoked"])
def test_key_with_an_invalid_block_or_signer_is_refused(sshd: Sshd, login_client: Client, key: Any, fault: str) -> None:
    private = key()
    login_client.sandbox.instance.push(USER, public(private), CALLER)
    login_client.sandbox.instance.faults.set(fault)
    assert not sshd.login(USER, [private]).ok


def test_key_pushed_between_two_attempts_logs_in(sshd: Sshd, login_client: Client, key: Any) -> None:
    private = key()
    assert not sshd.login(USER, [private]).ok
    login_client.sandbox.instance.push(USER, public(private), CALLER)
    assert sshd.login(USER, [private]).ok


# I5: a key on disk logs in whatever IMDS does.

WAYS_TO_FAIL = ["", "hang", "error-500", "garbage", "slow", "huge-body", "forbidden", "drop", "other-root"]


@pytest.mark.parametrize("fault", WAYS_TO_FAIL)
def test_key_on_disk_logs_in_with_any_fault_of_imds(sshd: Sshd, login_client: Client, key: Any, fault: str) -> None:
    on_disk = key()
    sshd.authorize(USER, public(on_disk))
    if fault:
        login_client.sandbox.instance.faults.set(fault)
    assert sshd.login(USER, [on_disk]).output == USER


@pytest.mark.parametrize("fault", WAYS_TO_FAIL)
def test_key_on_disk_logs_in_after_another_key_with_any_fault_of_imds(
    sshd: Sshd, login_client: Client, key: Any, fault: str
) -> None:
    unknown, on_disk = key(), key()
    sshd.authorize(USER, public(on_disk))
    if fault:
        login_client.sandbox.instance.faults.set(fault)
    assert sshd.login(USER, [unknown, on_disk]).output == USER
    assert len(records(login_client)) >= 1


def test_key_on_disk_logs_in_without_imds(sshd: Sshd, login_client: Client, key: Any) -> None:
    unknown, on_disk = key(), key()
    sshd.authorize(USER, public(on_disk))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        login_client.configure(endpoint="http://127.0.0.1:%d" % unused.getsockname()[1])
        assert sshd.login(USER, [unknown, on_disk]).output == USER
    assert "imds-unreachable" in reasons(login_client)


def test_key_on_disk_logs_in_with_an_invalid_configuration(sshd: Sshd, login_client: Client, key: Any) -> None:
    unknown, on_disk = key(), key()
    sshd.authorize(USER, public(on_disk))
    login_client.configure("[keys]\nwindow = x\n")
    assert sshd.login(USER, [unknown, on_disk]).output == USER
    assert "config-invalid" in reasons(login_client)


def test_key_on_disk_logs_in_without_the_command(folder: Path, key: Any) -> None:
    on_disk = key()
    with Sshd(str(folder), "/nonexistent/authorized-keys") as sshd:
        sshd.authorize(USER, public(on_disk))
        assert sshd.login(USER, [key(), on_disk]).output == USER


def test_fallback_key_logs_in_where_sshd_reads_no_keys_files(login_client: Client, folder: Path, key: Any) -> None:
    on_disk, unknown = key(), key()
    (folder / "keys").mkdir()
    (folder / "keys" / USER).write_text(public(on_disk))
    login_client.configure(f"[fallback]\nkeys_file = {folder}/keys/%u\nwhen = unavailable\n")
    with Sshd(str(folder), " ".join(login_client.arguments()), ["AuthorizedKeysFile none"]) as sshd:
        assert not sshd.login(USER, [on_disk]).ok
        login_client.sandbox.instance.faults.set("error-500")
        assert sshd.login(USER, [on_disk]).output == USER
        assert not sshd.login(USER, [unknown]).ok
        assert not sshd.login(OTHER, [on_disk]).ok
    assert "fallback-file" in reasons(login_client)


# The same logins with the resident authorizer, in every state that it can be in.


class Resident:
    """`eic-sshd serve` as the command's user, at a socket of the client's folder."""

    def __init__(self, client: Client, folder: Path) -> None:
        uid = private_host.ACCOUNTS[private_host.COMMAND_USER]
        run = folder / "run"
        run.mkdir()
        os.chown(run, uid, uid)
        client.socket = str(run / "authorize.sock")
        self._tree, self._config, self._uid = str(Path(client.command).parents[3]), str(client.config), uid
        self._socket = client.socket
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        return processes.daemon(self._tree, self._socket, self._config, self._uid)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(timeout=10)


@pytest.fixture
def resident(login_client: Client, folder: Path) -> Iterator[Resident]:
    made = Resident(login_client, folder)
    yield made
    made.stop()


@pytest.fixture
def warm_sshd(resident: Resident, login_client: Client, folder: Path) -> Iterator[Sshd]:
    with Sshd(str(folder), " ".join(login_client.arguments())) as running:
        yield running


def test_pushed_key_logs_in_through_the_daemon(warm_sshd: Sshd, login_client: Client, key: Any) -> None:
    for _ in range(2):
        private = key()
        login_client.sandbox.instance.push(USER, public(private), CALLER)
        assert warm_sshd.login(USER, [private]).output == USER
    assert [record["source"] for record in records(login_client)] == ["imds", "cache"] * 2


def test_login_through_a_warm_daemon_needs_one_request_to_imds(warm_sshd: Sshd, login_client: Client, key: Any) -> None:
    first, second = key(), key()
    login_client.sandbox.instance.push(USER, public(first), CALLER)
    assert warm_sshd.login(USER, [first]).ok
    login_client.sandbox.imds.requests.clear()
    login_client.sandbox.instance.push(USER, public(second), CALLER)
    assert warm_sshd.login(USER, [second]).ok
    assert len(login_client.sandbox.imds.requests) == 1


@pytest.mark.parametrize("state", ["killed", "stopped", "hung", "socket removed"])
def test_pushed_key_logs_in_whatever_the_state_of_the_daemon(
    warm_sshd: Sshd, resident: Resident, login_client: Client, key: Any, state: str
) -> None:
    pushed, on_disk = key(), key()
    warm_sshd.authorize(USER, public(on_disk))
    login_client.sandbox.instance.push(USER, public(pushed), CALLER)
    if state == "killed":
        resident.process.kill()
        resident.process.wait(timeout=10)
    elif state == "stopped":
        resident.process.terminate()
        resident.process.wait(timeout=10)
    elif state == "hung":
        resident.process.send_signal(signal.SIGSTOP)
    else:
        os.unlink(login_client.socket)
    login = warm_sshd.login(USER, [pushed, on_disk])
    assert login.output == USER
    # sshd asks twice for a key that logs in, and a service that hangs is waited for each time; what a failed attempt
    # took, sshd draws out to the next doubling of 5 to 9 ms (ensure_minimum_time_since in its auth2.c).
    assert login.seconds < 4 * authorized_keys.ACCEPT_TIMEOUT + 3.0, records(login_client)
    assert reasons(login_client) == ["granted", "granted"]


def test_key_on_disk_logs_in_when_the_daemon_is_killed_during_a_request(
    warm_sshd: Sshd, resident: Resident, login_client: Client, key: Any
) -> None:
    pushed, on_disk = key(), key()
    warm_sshd.authorize(USER, public(on_disk))
    login_client.sandbox.instance.push(USER, public(pushed), CALLER)
    login_client.sandbox.instance.faults.set("hang")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        login = pool.submit(warm_sshd.login, USER, [pushed, on_disk])
        waiting.until(lambda: login_client.sandbox.imds.requests, "a request to IMDS")
        resident.process.kill()
        assert login.result(timeout=30).output == USER
    assert reasons(login_client) == ["imds-unreachable"]
    login_client.sandbox.instance.faults.clear()
    assert warm_sshd.login(USER, [pushed]).output == USER


def test_restarted_daemon_answers_the_next_login(
    warm_sshd: Sshd, resident: Resident, login_client: Client, key: Any
) -> None:
    private = key()
    login_client.sandbox.instance.push(USER, public(private), CALLER)
    resident.stop()
    resident.process = resident.start()
    assert warm_sshd.login(USER, [private]).output == USER
    assert [record["source"] for record in records(login_client)] == ["imds", "cache"]
