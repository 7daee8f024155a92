# SPDX-License-Identifier: Apache-2.0
"""The resident authorizer under a real systemd: whatever becomes of it, logins go on."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
from typing import Iterator

import pytest

from testbed.cores import idle_cores
from testbed.machines.client import USER
from testbed.machines.machine import BASE
from testbed.waiting import until

from .instances import Instance

# What is done to the units, and whether the authorizer answers the login after it.
STATES = {
    "service stopped": ("systemctl stop eic-sshd.service", True),
    "service killed": ("systemctl kill --signal=KILL eic-sshd.service", True),
    "socket and service stopped": ("systemctl stop eic-sshd.socket eic-sshd.service", False),
    "socket disabled": ("systemctl disable -q --now eic-sshd.socket; systemctl stop eic-sshd.service", False),
    "service masked": ("systemctl mask -q --now eic-sshd.service", False),
    "all masked": ("systemctl mask -q --now eic-sshd.socket eic-sshd.service", False),
    "socket removed": ("rm /run/eic-sshd/authorize.sock", False),
}


def unit_state(instance: Instance, unit: str) -> str:
    return instance.machine.run("systemctl", "is-active", unit, check=False).stdout.strip()


@pytest.mark.parametrize("state", STATES)
def test_pushed_and_on_disk_keys_log_in_with_the_service_in_any_state(installed: Instance, state: str) -> None:
    pushed, on_disk = installed.client.key(), installed.client.key()
    installed.client.put_on_disk(on_disk)
    installed.aws.push(USER, pushed.line)
    assert installed.client.login(pushed).output == USER
    assert installed.service_pid() != "0"
    script, resident = STATES[state]
    installed.machine.shell(script)
    before = installed.machine.cursor()
    assert installed.client.login(pushed).output == USER
    assert installed.client.login(on_disk).output == USER
    records = installed.machine.records(before)
    assert [record["EIC_REASON"] for record in records] == ["granted", "granted"]
    assert {record["_PID"] == installed.service_pid() for record in records} == {resident}


def test_key_on_disk_logs_in_while_the_service_hangs(installed: Instance) -> None:
    pushed, on_disk = installed.client.key(), installed.client.key()
    installed.client.put_on_disk(on_disk)
    installed.aws.push(USER, pushed.line)
    assert installed.client.login(pushed).ok
    installed.machine.run("systemctl", "kill", "--signal=STOP", "eic-sshd.service")
    assert installed.client.login(on_disk).output == USER
    assert installed.client.login(pushed, on_disk).output == USER
    installed.machine.run("systemctl", "kill", "--signal=CONT", "eic-sshd.service")


def questions(number: int, pause: float = 0) -> str:
    """A script that runs the client, as sshd does, `number` times; prints all answers."""
    ask = f"setpriv --reuid=eic-sshd --clear-groups /usr/lib/eic-sshd/authorized-keys {USER}"
    return f'asked=; for number in $(seq {number}); do {ask} & asked="$asked $!"; sleep {pause}; done;'


@contextlib.contextmanager
def all_cores_busy() -> Iterator[None]:
    """Keep those processors busy that nothing else does, so that each has one endless loop and not several."""
    with open(BASE / "busy-cores", "w", encoding="ascii") as lock, contextlib.ExitStack() as loops:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests of another release do the same
        for _ in range(idle_cores()):
            loop = loops.enter_context(subprocess.Popen(["sh", "-c", "while :; do :; done"]))
            loops.callback(loop.kill)
        yield


@pytest.mark.parametrize("busy", [False, True], ids=["idle cores", "busy cores"])
def test_callers_waiting_when_the_service_dies_are_answered(own: Instance, busy: bool) -> None:
    key = own.client.key()
    own.aws.push(USER, key.line)
    assert own.client.login(key).output == USER
    resident = own.service_pid()
    assert resident != "0"  # the whole process group, to kill(1)
    asked = f"kill -STOP {resident}; {questions(40)} sleep 0.3; kill -KILL {resident}; wait $asked"
    with all_cores_busy() if busy else contextlib.nullcontext():
        printed = own.machine.shell(asked)
    assert printed.split() == key.line.split()[:2] * 40


def test_logins_succeed_while_the_service_dies_at_each_request(own: Instance) -> None:
    key = own.client.key()
    own.aws.push(USER, key.line)
    module = "/usr/lib/eic-sshd/eic_sshd/daemon/resident.py"
    own.machine.write(module, own.machine.read(module) + "\n\nimport os\n_decide = lambda *_: os.abort()\n")
    before = own.machine.cursor()
    for _ in range(3):
        assert own.client.login(key).output == USER
    ended = [
        entry["MESSAGE"] for entry in own.machine.entries(before, "systemd") if "status=6/ABRT" in entry["MESSAGE"]
    ]
    assert len(ended) == 18  # each login asks twice, and each question is put to three services


def test_libraries_of_another_python_are_the_recorded_reason(own: Instance) -> None:
    """As where /usr/bin/python3 leads to another version: compiled modules of the libraries do not load."""
    pushed, on_disk = own.client.key(), own.client.key()
    own.client.put_on_disk(on_disk)
    own.aws.push(USER, pushed.line)
    own.machine.shell(
        "systemctl stop eic-sshd.service; cd /usr/lib/python3/dist-packages; "
        "for module in _cffi_backend systemd/_daemon; do for file in $module.*.so; do mv $file $file.other; done; done"
    )
    before = own.machine.cursor()
    assert not own.client.login(pushed).ok
    assert own.client.login(pushed, on_disk).output == USER
    reasons = {record.get("EIC_REASON") for record in own.machine.records(before)}
    assert reasons == {"library-unusable", None}  # the service, which does not start, has no decision to record
    checked = own.machine.run("eic-sshd", "check-config", check=False)
    assert checked.returncode == 1
    assert "systemd.daemon: it cannot be loaded" in checked.stderr


def test_service_answers_again_once_its_libraries_are_back(own: Instance) -> None:
    """A library that is gone for a while, as when it is upgraded, with many logins meanwhile."""
    pushed, on_disk = own.client.key(), own.client.key()
    own.client.put_on_disk(on_disk)
    own.aws.push(USER, pushed.line)
    own.machine.shell("systemctl stop eic-sshd.service; cd /usr/lib/python3/dist-packages; mv systemd gone")
    for _ in range(5):
        assert own.client.login(pushed, on_disk).output == USER
    own.machine.shell(questions(60, pause=0.02) + " wait")
    assert unit_state(own, "eic-sshd.service") == "failed"
    assert unit_state(own, "eic-sshd.socket") == "active"
    own.machine.shell("cd /usr/lib/python3/dist-packages; mv gone systemd")
    before = own.machine.cursor()
    assert own.client.login(pushed).output == USER
    assert {record["_PID"] for record in own.machine.records(before)} == {own.service_pid()}


def test_logins_succeed_with_a_service_that_systemd_has_given_up(installed: Instance) -> None:
    pushed, on_disk = installed.client.key(), installed.client.key()
    installed.client.put_on_disk(on_disk)
    installed.aws.push(USER, pushed.line)
    limit = "[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=1h\n"
    installed.machine.write("/etc/systemd/system/eic-sshd.service.d/limit.conf", limit)
    installed.machine.run("systemctl", "daemon-reload")
    assert installed.client.login(pushed).output == USER
    installed.machine.run("systemctl", "kill", "--signal=KILL", "eic-sshd.service")
    until(lambda: unit_state(installed, "eic-sshd.service") == "failed", "systemd has given the service up")
    for _ in range(3):
        assert installed.client.login(pushed).output == USER
    assert installed.client.login(on_disk).output == USER


def test_idle_service_exits_and_the_next_login_starts_it(own: Instance) -> None:
    own.machine.write("/etc/eic-sshd/conf.d/20-idle.conf", "[service]\nidle_exit = 1\n")
    key = own.client.key()
    own.aws.push(USER, key.line)
    before = own.machine.cursor()
    pids = set()
    for _ in range(2):
        assert own.client.login(key).output == USER
        until(lambda: unit_state(own, "eic-sshd.service") == "inactive", "the service has ended")
        assert unit_state(own, "eic-sshd.socket") == "active"
        pids |= {record["_PID"] for record in own.machine.records(before)}
    assert len(pids) >= 2
    shown = own.machine.run("systemctl", "show", "-P", "Result", "eic-sshd.service").stdout.strip()
    assert shown == "success"


def test_key_on_disk_logs_in_with_an_invalid_configuration_on_a_machine(own: Instance) -> None:
    pushed, on_disk = own.client.key(), own.client.key()
    own.client.put_on_disk(on_disk)
    own.aws.push(USER, pushed.line)
    own.machine.write("/etc/eic-sshd/conf.d/20-broken.conf", "[keys]\nwindow = x\n")
    before = own.machine.cursor()
    assert not own.client.login(pushed).ok
    assert own.client.login(pushed, on_disk).output == USER
    assert {record["EIC_REASON"] for record in own.machine.records(before)} == {"config-invalid"}
    own.machine.run("rm", "/etc/eic-sshd/conf.d/20-broken.conf")
    own.machine.run("systemctl", "try-reload-or-restart", "eic-sshd.service")
    assert own.client.login(pushed).output == USER
