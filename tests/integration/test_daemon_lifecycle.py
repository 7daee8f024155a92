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

from testbed import processes, waiting

from .daemon import Daemon, ask, asking
from .installed_client import CALLER, USER, Client, bare


def test_sigterm_finishes_requests_under_way(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.sandbox.instance.faults.set("hang")
    with asking(client, ed25519) as future:
        daemon.signal(signal.SIGTERM)
        assert future.result(timeout=10).reason == "imds-unreachable"
    assert daemon.process.wait(timeout=10) == 0
    assert not os.path.exists(client.socket)


def test_changed_configuration_applies_from_the_next_request_on(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(client, ed25519).printed == bare(ed25519)
    client.configure("[keys]\ntypes = ssh-rsa\n")
    assert ask(client, ed25519).reason == "key-type-forbidden"


def test_sighup_has_the_daemon_forget_what_was_granted(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    assert [ask(client, ed25519).records[0]["source"] for _ in range(2)] == ["imds", "cache"]
    daemon.signal(signal.SIGHUP)
    waiting.until(lambda: ask(client, ed25519).records[0]["source"] == "imds", "the daemon reads IMDS again")


def test_invalid_configuration_is_reported_and_grants_nothing_until_it_is_fixed(
    daemon: Daemon, client: Client, ed25519: str
) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.configure("[keys]\nwindow = soon\n")
    # Where records go reads from the configuration too, what of it does read.
    assert ask(client, ed25519).reason == "config-invalid"
    assert f"eic-sshd: {client.config}:" in daemon.errors.read_text()
    client.configure()
    assert ask(client, ed25519).printed == bare(ed25519)


def test_daemon_survives_many_reload_signals(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.configure("[keys]\nwindow = soon\n")
    for number in range(300):
        daemon.signal(signal.SIGHUP)
        time.sleep(0.0003 * (number % 2))
    client.configure()
    client.sandbox.instance.push(USER, ed25519, CALLER)
    daemon.signal(signal.SIGHUP)
    time.sleep(0.5)
    assert daemon.process.poll() is None
    assert ask(client, ed25519).printed == bare(ed25519)


def test_daemon_started_with_an_invalid_configuration_grants_once_it_is_fixed(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    good = client.config.read_text()
    client.configure("[keys]\nwindow = soon\n")
    daemon = Daemon(client)
    try:
        assert ask(client, ed25519).reason == "config-invalid"
        client.config.write_text(good)
        assert ask(client, ed25519).printed == bare(ed25519)
    finally:
        daemon.stop()


def test_daemon_exits_when_idle(client: Client) -> None:
    client.configure("[service]\nidle_exit = 1\n")
    daemon = Daemon(client)
    assert ask(client).reason == "no-active-keys"
    assert daemon.process.wait(timeout=10) == 0
    assert not os.path.exists(client.socket)


def test_idle_time_is_reloaded(daemon: Daemon, client: Client) -> None:
    client.configure("[service]\nidle_exit = 1\n")
    daemon.signal(signal.SIGHUP)
    assert daemon.process.wait(timeout=10) == 0


def test_leftover_socket_is_replaced_and_one_in_use_is_not(daemon: Daemon, client: Client) -> None:
    command = [str(Path(client.command).parent.parent.parent / "bin/eic-sshd"), "serve", "--socket", client.socket]
    second = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert second.returncode == 1
    assert second.stderr.startswith(f"eic-sshd: {client.socket}: another daemon listens there.")
    daemon.signal(signal.SIGKILL)
    daemon.process.wait(timeout=5)
    assert os.path.exists(client.socket)
    daemon.process = daemon.start()
    assert ask(client).reason == "no-active-keys"


@pytest.mark.parametrize("path", ["/nonexistent/sock", "/etc/passwd", "/tmp", "/tmp/" + "x" * 200])
def test_socket_that_cannot_be_created_is_reported(client: Client, path: str) -> None:
    command = [str(Path(client.command).parent.parent.parent / "bin/eic-sshd"), "serve", "--socket", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert done.stderr.startswith(f"eic-sshd: {path}")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd")
def test_daemon_uses_the_socket_from_systemd_and_notifies_its_state(
    client: Client, ed25519: str, tmp_path: Path
) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.socket = str(tmp_path / "activated.sock")
    command = str(Path(client.command).parent.parent.parent / "bin/eic-sshd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify.sock"))
        notified.settimeout(10)
        activator = processes.socket_activated(
            client.socket,
            [command, "serve", "--config", str(client.config)],
            environment=[f"NOTIFY_SOCKET={tmp_path}/notify.sock", "WATCHDOG_USEC=400000"],
        )
        try:
            assert ask(client, ed25519).records[0]["source"] == "imds"
            assert ask(client, ed25519).records[0]["source"] == "cache"
            states = [notified.recv(100) for _ in range(3)]
            assert states[0] == b"READY=1"
            assert b"WATCHDOG=1" in states
        finally:
            activator.terminate()
            assert activator.wait(timeout=10) == 0
        # The socket is systemd's: it stays.
        assert os.path.exists(client.socket)
