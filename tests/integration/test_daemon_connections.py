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

from .door import CALLER, STARTING, USER, Door, bare
from .service import Service, ask, connected


def test_silent_and_endless_peers_do_not_delay_other_requests(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    half = b"\0\0\0\x10" + b"1\0ro"
    with connected(door, *[b""] * 200, *[half] * 50, b"x" * 1_000_000, b"\xff" * 8, b"\0\0\0\x01x"):
        answer = ask(door, ed25519)
    assert answer.printed == bare(ed25519)
    assert answer.seconds < STARTING


def test_oldest_silent_peers_are_closed_for_new_ones(service: Service, door: Door) -> None:
    with connected(door, *[b""] * 600):
        assert ask(door).reason == "no-active-keys"
    assert service.process.poll() is None


@pytest.mark.parametrize("words", [b"", b"\0\0\0\x10half"])
def test_peer_without_a_complete_request_is_disconnected(service: Service, door: Door, words: bytes) -> None:
    with connected(door, words) as (peer,):
        begun = time.monotonic()
        assert peer.recv(1) == b""
        assert 1 < time.monotonic() - begun < 4


def test_request_with_another_configuration_is_declined_at_once(service: Service, door: Door) -> None:
    request = b"\0".join((b"1", USER.encode(), b"", b"1", b"/another.conf"))
    with connected(door, len(request).to_bytes(4, "big") + request) as (peer,):
        assert (peer.recv(100), peer.recv(100)) == (protocol.DECLINED, b"")


def test_peer_that_disconnects_early_does_not_stop_the_daemon(service: Service, door: Door) -> None:
    door.sandbox.instance.faults.set("slow")
    request = b"1\0root\0\x001\0" + str(door.config).encode()
    with connected(door, *[len(request).to_bytes(4, "big") + request] * 5):
        pass
    door.sandbox.instance.faults.clear()
    assert service.process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_only_root_and_the_daemons_user_are_answered(service: Service, door: Door) -> None:
    os.chmod(door.socket, 0o666)
    for folder in (door.config.parent, *door.config.parent.parents):
        with contextlib.suppress(PermissionError):
            os.chmod(folder, os.stat(folder).st_mode | 0o011)
    program = (
        "import os, socket, sys\nos.setuid(65534)\npeer = socket.socket(socket.AF_UNIX)\npeer.settimeout(5)\n"
        "peer.connect(sys.argv[1])\nprint(peer.recv(1))\n"
    )
    done = subprocess.run(["/usr/bin/python3", "-c", program, door.socket], capture_output=True, text=True, timeout=10)
    assert done.stdout == "b'N'\n", done.stderr


def test_daemon_without_free_descriptors_closes_silent_peers(service: Service, door: Door) -> None:
    ask(door)  # all threads and connections that one call needs are there
    used = len(os.listdir(f"/proc/{service.process.pid}/fd"))
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (used + 20, 4096))
    with connected(door, *[b""] * 60):
        assert ask(door).reason == "no-active-keys"
        cpu = Path(f"/proc/{service.process.pid}/stat").read_text().split()[13]
        time.sleep(0.5)
        assert int(Path(f"/proc/{service.process.pid}/stat").read_text().split()[13]) - int(cpu) < 25
    assert service.process.poll() is None
