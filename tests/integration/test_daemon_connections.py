# SPDX-License-Identifier: Apache-2.0
"""Connections to the resident daemon that waste its time, and those that it refuses."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from pathlib import Path

import pytest

from eic_sshd.daemon import protocol

from .daemon import Daemon, ask, connected
from .installed_client import CALLER, STARTING, USER, Client, bare


def test_silent_and_endless_peers_do_not_delay_other_requests(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    half = b"\0\0\0\x10" + b"1\0ro"
    with connected(client, *[b""] * 200, *[half] * 50, b"x" * 1_000_000, b"\xff" * 8, b"\0\0\0\x01x"):
        answer = ask(client, ed25519)
    assert answer.printed == bare(ed25519)
    assert answer.seconds < STARTING


def test_oldest_silent_peers_are_closed_for_new_ones(daemon: Daemon, client: Client) -> None:
    with connected(client, *[b""] * 600):
        assert ask(client).reason == "no-active-keys"
    assert daemon.process.poll() is None


@pytest.mark.parametrize("words", [b"", b"\0\0\0\x10half"])
def test_peer_without_a_complete_request_is_disconnected(daemon: Daemon, client: Client, words: bytes) -> None:
    with connected(client, words) as (peer,):
        begun = time.monotonic()
        assert peer.recv(1) == b""
        assert 1 < time.monotonic() - begun < 4


def test_request_with_another_configuration_is_declined_at_once(daemon: Daemon, client: Client) -> None:
    request = b"\0".join((b"1", USER.encode(), b"", b"1", b"/another.conf"))
    with connected(client, len(request).to_bytes(4, "big") + request) as (peer,):
        assert (peer.recv(100), peer.recv(100)) == (protocol.DECLINED, b"")


def test_peer_that_disconnects_early_does_not_stop_the_daemon(daemon: Daemon, client: Client) -> None:
    client.sandbox.instance.faults.set("slow")
    request = b"1\0root\0\x001\0" + str(client.config).encode()
    with connected(client, *[len(request).to_bytes(4, "big") + request] * 5):
        pass
    client.sandbox.instance.faults.clear()
    assert daemon.process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_only_root_and_the_daemons_user_are_answered(daemon: Daemon, client: Client) -> None:
    os.chmod(client.socket, 0o666)
    for folder in (client.config.parent, *client.config.parent.parents):
        with contextlib.suppress(PermissionError):
            os.chmod(folder, os.stat(folder).st_mode | 0o011)
    program = (
        "import os, socket, sys\nos.setuid(65534)\npeer = socket.socket(socket.AF_UNIX)\npeer.settimeout(5)\n"
        "peer.connect(sys.argv[1])\nprint(peer.recv(1))\n"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program, client.socket], capture_output=True, text=True, timeout=10
    )
    assert done.stdout == "b'N'\n", done.stderr


def test_daemon_without_free_descriptors_closes_silent_peers(daemon: Daemon, client: Client) -> None:
    ask(client)  # all threads and connections that one call needs are there
    used = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used + 20, 4096))
    with connected(client, *[b""] * 60):
        assert ask(client).reason == "no-active-keys"
        assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) <= used + 20 - 5  # a decision and its record need some
        cpu = Path(f"/proc/{daemon.process.pid}/stat").read_text().split()[13]
        time.sleep(0.5)
        assert int(Path(f"/proc/{daemon.process.pid}/stat").read_text().split()[13]) - int(cpu) < 25
    assert daemon.process.poll() is None
