# SPDX-License-Identifier: Apache-2.0
"""The resident daemon starts, reloads, takes a socket that is handed over, and ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from testbed import processes

from .door import CALLER, USER, Door, bare
from .service import Service, ask, asking


def test_sigterm_finishes_requests_under_way(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.faults.set("hang")
    with asking(door, ed25519) as future:
        service.signal(signal.SIGTERM)
        assert future.result(timeout=10).reason == "imds-unreachable"
    assert service.process.wait(timeout=10) == 0
    assert not os.path.exists(door.socket)


def test_sighup_reloads_the_configuration(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(door, ed25519).printed == bare(ed25519)
    door.configure("[keys]\ntypes = ssh-rsa\n")
    assert ask(door, ed25519).printed == bare(ed25519)
    service.signal(signal.SIGHUP)
    time.sleep(0.3)
    assert ask(door, ed25519).reason == "key-type-forbidden"


def test_invalid_configuration_is_reported_and_grants_nothing_until_it_is_fixed(
    service: Service, door: Door, ed25519: str
) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.configure("[keys]\nwindow = soon\n")
    service.signal(signal.SIGHUP)
    time.sleep(0.3)
    # Where records go reads from the configuration too, what of it does read.
    assert ask(door, ed25519).reason == "config-invalid"
    assert f"eic-sshd: {door.config}:" in service.errors.read_text()
    door.configure()
    assert ask(door, ed25519).printed == bare(ed25519)


def test_daemon_survives_many_reload_signals(service: Service, door: Door, ed25519: str) -> None:
    door.configure("[keys]\nwindow = soon\n")
    for number in range(300):
        service.signal(signal.SIGHUP)
        time.sleep(0.0003 * (number % 2))
    door.configure()
    door.sandbox.instance.push(USER, ed25519, CALLER)
    service.signal(signal.SIGHUP)
    time.sleep(0.5)
    assert service.process.poll() is None
    assert ask(door, ed25519).printed == bare(ed25519)


def test_daemon_started_with_an_invalid_configuration_grants_once_it_is_fixed(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    good = door.config.read_text()
    door.configure("[keys]\nwindow = soon\n")
    service = Service(door)
    try:
        assert ask(door, ed25519).reason == "config-invalid"
        door.config.write_text(good)
        assert ask(door, ed25519).printed == bare(ed25519)
    finally:
        service.stop()


def test_daemon_exits_when_idle(door: Door) -> None:
    door.configure("[service]\nidle_exit = 1\n")
    service = Service(door)
    assert ask(door).reason == "no-active-keys"
    assert service.process.wait(timeout=10) == 0
    assert not os.path.exists(door.socket)


def test_idle_time_is_reloaded(service: Service, door: Door) -> None:
    door.configure("[service]\nidle_exit = 1\n")
    service.signal(signal.SIGHUP)
    assert service.process.wait(timeout=10) == 0


def test_leftover_socket_is_replaced_and_one_in_use_is_not(service: Service, door: Door) -> None:
    command = [str(Path(door.command).parent.parent.parent / "bin/eic-sshd"), "serve", "--socket", door.socket]
    second = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert second.returncode == 1
    assert second.stderr.startswith(f"eic-sshd: {door.socket}: another daemon listens there.")
    service.signal(signal.SIGKILL)
    service.process.wait(timeout=5)
    assert os.path.exists(door.socket)
    service.process = service.start()
    assert ask(door).reason == "no-active-keys"


@pytest.mark.parametrize("path", ["/nonexistent/sock", "/etc/passwd", "/tmp", "/tmp/" + "x" * 200])
def test_socket_that_cannot_be_created_is_reported(door: Door, path: str) -> None:
    command = [str(Path(door.command).parent.parent.parent / "bin/eic-sshd"), "serve", "--socket", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert done.stderr.startswith(f"eic-sshd: {path}")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd")
def test_daemon_uses_the_socket_from_systemd_and_notifies_its_state(door: Door, ed25519: str, tmp_path: Path) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.socket = str(tmp_path / "activated.sock")
    command = str(Path(door.command).parent.parent.parent / "bin/eic-sshd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify.sock"))
        notified.settimeout(10)
        activator = processes.socket_activated(
            door.socket,
            [command, "serve", "--config", str(door.config)],
            environment=[f"NOTIFY_SOCKET={tmp_path}/notify.sock", "WATCHDOG_USEC=400000"],
        )
        try:
            assert ask(door, ed25519).records[0]["source"] == "imds"
            assert ask(door, ed25519).records[0]["source"] == "cache"
            states = [notified.recv(100) for _ in range(3)]
            assert states[0] == b"READY=1"
            assert b"WATCHDOG=1" in states
        finally:
            activator.terminate()
            assert activator.wait(timeout=10) == 0
        # The socket is systemd's: it stays.
        assert os.path.exists(door.socket)
