# SPDX-License-Identifier: Apache-2.0
"""What becomes of a connection that comes to nothing, and of the service where it runs out of something."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from typing import Any, Callable, Container, Iterator, List, Optional, Tuple

import pytest

from eic_sshd.daemon import protocol, server
from eic_sshd.daemon.connection import allowed_peer_uids
from eic_sshd.daemon.server import Handler
from eic_sshd.invocation import Invocation
from testbed.waiting import until

from .serving import NOTHING_CACHED, WHOLE, answer, request, serve


class Peer(socket.socket):
    """The service's end of a connection. The first read raises `fails`; `waits` is whether any read might wait.

    `is_gone` is whether the client has ended by the time of the first send.
    """

    fails: Optional[OSError] = None
    waits = False
    is_gone = False

    def send(self, data: Any, flags: int = 0) -> int:
        if self.is_gone:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        return super().send(data, flags)

    def recv(self, size: int, flags: int = 0) -> bytes:
        self.waits = self.waits or self.gettimeout() != 0
        if self.fails is not None:
            error, self.fails = self.fails, None
            raise error
        return super().recv(size, flags)


class Listener(socket.socket):
    """Keeps what it accepted in `accepted`. `fails` is raised instead, once; `first_read` by the first read of one."""

    def __init__(self, first_read: Optional[OSError] = None) -> None:
        super().__init__(socket.AF_UNIX)
        self.accepted: List[Peer] = []
        self.fails: Optional[OSError] = None
        self.clients_are_gone = False
        self._first_read = first_read

    def accept(self) -> Tuple[socket.socket, object]:
        if self.fails is not None:
            error, self.fails = self.fails, None
            raise error
        peer, address = super().accept()
        made = Peer(fileno=peer.detach())
        made.fails, self._first_read = self._first_read, None
        made.is_gone = self.clients_are_gone
        self.accepted.append(made)
        return made, address


@contextlib.contextmanager
def connected(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(30)
        peer.connect(path)
        yield peer


def test_server_never_blocks_on_a_connection(path: str) -> None:
    listener, heard = Listener(), []
    serve(path, NOTHING_CACHED, lambda: heard.append(answer(path, request("root"))), None, listener)
    assert heard == [WHOLE]
    assert listener.accepted
    assert not any(peer.waits for peer in listener.accepted)


def hang_up(peer: socket.socket) -> None:
    peer.close()


def hang_up_half_way(peer: socket.socket) -> None:
    peer.sendall(request("root")[:9])
    peer.close()


def send(*words: bytes) -> Callable[[socket.socket], None]:
    return lambda peer: peer.sendall(b"".join(words))


ENDS = {
    "hangs up": hang_up,
    "hangs up half way": hang_up_half_way,
    "is no request": send(b"\xff\xff\xff\xff"),
    "has no user": send(request("")),
}


def closed_at_once(
    path: str,
    act: Callable[[socket.socket], object],
    handler: Handler = NOTHING_CACHED,
    allowed: Optional[Container[int]] = None,
    first_read: Optional[OSError] = None,
) -> bool:
    """Whether the service closes the connection on which one acts so, and does not wait for its time-out."""
    listener, closed = Listener(first_read), []

    def talk() -> None:
        with connected(path) as peer:
            answer(path, request("root"))  # the service has the first connection by now
            act(peer)
            closed.append(until(lambda: listener.accepted[0].fileno() == -1, "the connection is closed", timeout=10))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "_PEER_TIMEOUT", 1000.0)
        serve(path, handler, talk, allowed, listener)
    return closed[0]


@pytest.mark.parametrize("end", ENDS)
def test_connection_without_a_request_is_closed_at_once(path: str, end: str) -> None:
    assert closed_at_once(path, ENDS[end])


def test_declined_connection_is_closed_at_once(path: str) -> None:
    other = NOTHING_CACHED._replace(config_file="/other.conf")
    assert closed_at_once(path, send(request("root")), handler=other)
    assert closed_at_once(f"{path}2", lambda peer: None, allowed=set())


def test_broken_connection_is_closed_at_once(path: str) -> None:
    broken = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    assert closed_at_once(path, lambda peer: None, first_read=broken)


def test_connection_of_a_client_that_ended_after_its_request_is_closed_at_once(path: str) -> None:
    listener, heard = Listener(), []
    listener.clients_are_gone = True

    def talk() -> None:
        with connected(path) as peer:
            peer.sendall(request("root"))
            until(lambda: listener.accepted and listener.accepted[0].fileno() == -1, "it is closed", timeout=10)
        listener.clients_are_gone = False
        heard.append(answer(path, request("root")))

    serve(path, NOTHING_CACHED, talk, None, listener)
    assert heard == [WHOLE]


def test_connection_whose_read_would_block_is_read_again(path: str) -> None:
    heard: List[bytes] = []
    listener = Listener(BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"))
    serve(path, NOTHING_CACHED, lambda: heard.append(answer(path, request("root"))), None, listener)
    assert heard == [WHOLE]


def test_denied_peer_that_has_gone_does_not_stop_the_server(path: str) -> None:
    listener = Listener()
    listener.bind(path)
    listener.listen(64)
    with connected(path):
        pass  # it has gone before the service begins
    heard: List[bytes] = []
    serve(path, NOTHING_CACHED, lambda: heard.append(answer(path, request("root"))), set(), listener)
    assert heard == [protocol.DECLINED]


def test_oldest_silent_connection_is_closed_when_descriptors_run_out(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_PEER_TIMEOUT", 1000.0)
    listener, heard, closed = Listener(), [], []

    def talk() -> None:
        with connected(path):
            answer(path, request("root"))
            listener.fails = OSError(errno.EMFILE, "Too many open files")
            heard.append(answer(path, request("root")))
            # The server may have accepted this request before it found that no descriptor is left.
            closed.append(until(lambda: listener.accepted[0].fileno() == -1, "the connection is closed", timeout=10))

    serve(path, NOTHING_CACHED, talk, None, listener)
    assert (heard, closed) == ([WHOLE], [True])


def test_next_connection_is_answered_when_descriptors_run_out_and_none_is_silent(path: str) -> None:
    listener, heard = Listener(), []

    def talk() -> None:
        listener.fails = OSError(errno.EMFILE, "Too many open files")
        heard.append(answer(path, request("root")))

    serve(path, NOTHING_CACHED, talk, None, listener)
    assert heard == [WHOLE]


@pytest.mark.parametrize(("silent", "limited"), [(3, False), (4, True)])
def test_number_of_silent_connections_is_limited(
    path: str, monkeypatch: pytest.MonkeyPatch, silent: int, limited: bool
) -> None:
    """One whose request is there at once is not counted."""
    assert server._MAX_PENDING == 512
    monkeypatch.setattr(server, "_MAX_PENDING", 3)
    listener = Listener()
    closed: List[bool] = []

    def talk() -> None:
        with contextlib.ExitStack() as kept:
            for _ in range(silent):
                kept.enter_context(connected(path))
            assert answer(path, request("root")) == WHOLE  # so all of them are accepted
            closed.extend(peer.fileno() == -1 for peer in listener.accepted[:silent])

    serve(path, NOTHING_CACHED, talk, None, listener)
    assert closed == [limited, *[False] * (silent - 1)]


# What is under way.


class Turns:
    """Counts the turns of the service at `path`, and how often it said that all is well."""

    def __init__(self, path: str) -> None:
        self.beats = 0
        self._path = path
        self._turns = 0
        self._turned = threading.Condition()

    def watchdog_ping(self) -> None:
        self.beats += 1

    def after_poll(self) -> None:
        with self._turned:
            self._turns += 1
            self._turned.notify_all()

    def wait(self, more: int) -> None:
        """Until so many more turns have begun."""
        for _ in range(more):
            self._wait_for_one()

    def _wait_for_one(self) -> None:
        with self._turned:
            before = self._turns
            with connected(self._path):  # wakes it
                assert self._turned.wait_for(lambda: self._turns > before, 30)


@pytest.mark.parametrize(("deadline", "well"), [(3.0, True), (-0.5, True), (-1000.0, False)])
def test_watchdog_is_notified_until_ten_seconds_after_an_answer_was_due(path: str, deadline: float, well: bool) -> None:
    turns, beats = Turns(path), []

    def decide(_: Invocation) -> bytes:
        before = turns.beats
        turns.wait(3)
        beats.append(turns.beats - before)
        return protocol.encode_answer([])

    handler = Handler(decide, lambda invocation: None, deadline, None)
    heard: List[bytes] = []
    serve(
        path,
        handler,
        lambda: heard.append(answer(path, request("root"))),
        watchdog_ping=turns.watchdog_ping,
        after_poll=turns.after_poll,
    )
    assert (beats[0] > 0) == well


def test_existing_worker_takes_the_request_when_no_thread_can_be_started(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, leave, begun = Turns(path), threading.Event(), threading.Event()
    heard: List[bytes] = []

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def decide(invocation: Invocation) -> bytes:
        begun.set()
        assert leave.wait(30)
        return protocol.encode_answer([invocation.user])

    def read(peer: socket.socket) -> None:
        said = b""
        while more := peer.recv(4096):
            said += more
        heard.append(said)

    def talk() -> None:
        with connected(path) as one, connected(path) as other, monkeypatch.context() as context:
            try:
                one.sendall(request("root"))
                assert begun.wait(30)  # the only worker is at it
                context.setattr(threading.Thread, "start", fail)
                other.sendall(request("root"))
                while len(other.recv(5, socket.MSG_PEEK)) < 5:
                    pass
                turns.wait(2)  # it was given to a worker
            finally:
                leave.set()
            read(one)
            read(other)

    serve(path, Handler(decide, lambda invocation: None, 3.0, None), talk, after_poll=turns.after_poll)
    assert heard == [WHOLE, WHOLE]


def test_abstract_socket_accepts_root_and_this_user() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0eic-sshd-test-{os.getpid()}")  # unix(7), an abstract one
        assert allowed_peer_uids(listener) == {0, os.geteuid()}
