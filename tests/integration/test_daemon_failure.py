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

from .daemon import Daemon, ask, asking
from .installed_client import CALLER, STARTING, USER, Client, bare


def test_client_decides_without_a_daemon(client: Client, ed25519: str) -> None:
    client.socket = str(client.config.parent / "nobody.sock")
    client.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(client, ed25519).printed == bare(ed25519)


def test_client_decides_when_the_daemon_is_killed_during_a_request(
    daemon: Daemon, client: Client, ed25519: str
) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.sandbox.instance.faults.set("hang")
    with asking(client, ed25519) as future:
        client.sandbox.instance.faults.clear()
        daemon.signal(signal.SIGKILL)
        answer = future.result(timeout=10)
    assert (answer.status, answer.printed) == (0, bare(ed25519))
    assert [record["reason"] for record in answer.records] == ["granted"]


def test_client_decides_when_the_daemon_hangs(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    daemon.signal(signal.SIGSTOP)
    answer = ask(client, ed25519)
    assert (answer.status, answer.printed, answer.reason) == (0, bare(ed25519), "granted")
    assert answer.seconds < 3.0 + STARTING
    daemon.signal(signal.SIGCONT)
    assert ask(client, ed25519).printed == bare(ed25519)


@contextlib.contextmanager
def pretending(client: Client, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Something at the socket that is no authorizer, for one connection."""
    client.socket = str(client.config.parent / "pretender.sock")
    with socket.socket(socket.AF_UNIX) as listener, concurrent.futures.ThreadPoolExecutor(1) as pool:
        listener.bind(client.socket)
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
def test_client_decides_after_an_incomplete_answer(client: Client, ed25519: str, spoken: bytes) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    with pretending(client, lambda peer: peer.sendall(spoken)):
        answer = ask(client, ed25519)
    assert (answer.status, answer.printed, answer.reason) == (0, bare(ed25519), "granted")


def hanging(peer: socket.socket) -> None:
    """It takes the question on, and gives no answer."""
    peer.sendall(protocol.encode_accepted(0.3))
    peer.recv(1)


def test_daemon_that_hangs_after_accepting_leads_to_no_keys_and_one_record(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    with pretending(client, hanging):
        answer = ask(client, ed25519)
    assert (answer.status, answer.printed, answer.reason) == (0, "", "authorizer-failed")


@pytest.mark.skipif(os.geteuid() != 0, reason="a keys file must be root's")
def test_fallback_is_used_when_the_daemon_fails(client: Client, ed25519: str) -> None:
    (client.config.parent / f"{USER}.keys").write_text(ed25519 + "\n")
    client.configure(f"[fallback]\nkeys_file = {client.config.parent}/%u.keys\nwhen = unavailable\n")
    with pretending(client, hanging):
        answer = ask(client, ed25519)
    assert (answer.printed, answer.reason) == (bare(ed25519), "fallback-file")
