# SPDX-License-Identifier: Apache-2.0
"""The client decides in its own process when the daemon gives no usable answer."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import socket
from typing import Callable, Iterator

import pytest

from eic_sshd.daemon import protocol

from .door import CALLER, STARTING, USER, Door, bare
from .service import Service, ask, asking


def test_client_decides_without_a_daemon(door: Door, ed25519: str) -> None:
    door.socket = str(door.config.parent / "nobody.sock")
    door.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(door, ed25519).printed == bare(ed25519)


def test_client_decides_when_the_daemon_is_killed_during_a_request(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.sandbox.instance.faults.set("hang")
    with asking(door, ed25519) as future:
        door.sandbox.instance.faults.clear()
        service.signal(signal.SIGKILL)
        answer = future.result(timeout=10)
    assert (answer.status, answer.printed) == (0, bare(ed25519))
    assert [record["reason"] for record in answer.records] == ["granted"]


def test_client_decides_when_the_daemon_hangs(service: Service, door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    service.signal(signal.SIGSTOP)
    answer = ask(door, ed25519)
    assert (answer.status, answer.printed, answer.reason) == (0, bare(ed25519), "granted")
    assert answer.seconds < 3.0 + STARTING
    service.signal(signal.SIGCONT)
    assert ask(door, ed25519).printed == bare(ed25519)


@contextlib.contextmanager
def pretending(door: Door, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Something at the socket that is no authorizer, for one connection."""
    door.socket = str(door.config.parent / "pretender.sock")
    with socket.socket(socket.AF_UNIX) as listener, concurrent.futures.ThreadPoolExecutor(1) as pool:
        listener.bind(door.socket)
        listener.listen(1)

        def serve() -> None:
            peer, _ = listener.accept()
            listener.close()
            with peer:
                peer.recv(4096)
                talk(peer)

        pool.submit(serve)
        yield


HALF = protocol.encode_answer(["ssh-ed25519 AAAA", "ssh-ed25519 BBBB"])[:20]


@pytest.mark.parametrize(
    "spoken",
    [protocol.encode_accepted(1), protocol.encode_accepted(1) + HALF, b"nonsense", protocol.encode_accepted(1)[:3]],
)
def test_client_decides_after_an_incomplete_answer(door: Door, ed25519: str, spoken: bytes) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    with pretending(door, lambda peer: peer.sendall(spoken)):
        answer = ask(door, ed25519)
    assert (answer.status, answer.printed, answer.reason) == (0, bare(ed25519), "granted")


def hanging(peer: socket.socket) -> None:
    """It takes the question on, and gives no answer."""
    peer.sendall(protocol.encode_accepted(0.3))
    peer.recv(1)


def test_daemon_that_hangs_after_accepting_leads_to_no_keys_and_one_record(door: Door, ed25519: str) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    with pretending(door, hanging):
        answer = ask(door, ed25519)
    assert (answer.status, answer.printed, answer.reason) == (0, "", "authorizer-failed")


@pytest.mark.skipif(os.geteuid() != 0, reason="a keys file must be root's")
def test_fallback_is_used_when_the_daemon_fails(door: Door, ed25519: str) -> None:
    (door.config.parent / f"{USER}.keys").write_text(ed25519 + "\n")
    door.configure(f"[fallback]\nkeys_file = {door.config.parent}/%u.keys\nwhen = unavailable\n")
    with pretending(door, hanging):
        answer = ask(door, ed25519)
    assert (answer.printed, answer.reason) == (bare(ed25519), "fallback-file")
