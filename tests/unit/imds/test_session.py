# SPDX-License-Identifier: Apache-2.0
"""IMDSv2: the token, the connection, the time of one read, and what an answer or an error means."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Any, Callable, List

import pytest

from eic_sshd.imds import bounded
from eic_sshd.imds.client import Imds
from eic_sshd.imds.session import Session, SessionState
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason
from testbed import waiting
from testbed.raw_http_server import Talk, response, serving

from .conversations import SOON, Clock, answering, deadline, hang, refused

KEYS_PATH = b"GET /latest/meta-data/managed-ssh-keys/active-keys/root "


def test_a_read_carries_the_token_that_a_put_gave() -> None:
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.sendall(response(200, b"tok-1=="))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        assert imds.active_keys("root", deadline()) == b"tok-1=="
    assert heads[0].startswith(b"PUT /latest/api/token HTTP/1.1\r\n")
    assert b"\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n" in heads[0]
    assert heads[1].startswith(KEYS_PATH)
    assert b"\r\nX-aws-ec2-metadata-token: tok-1==\r\n" in heads[1]


def test_one_token_and_one_connection_serve_every_read() -> None:
    peers = set()
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        peers.add(peer.getpeername())
        heads.append(head)
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        for _ in range(5):
            imds.instance_id(deadline())
    assert len(peers) == 1
    assert sum(head.startswith(b"PUT") for head in heads) == 1


def test_an_expired_token_is_renewed_once() -> None:
    puts, gets = [], []

    def talk(peer: socket.socket, head: bytes) -> None:
        if head.startswith(b"PUT"):
            puts.append(head)
            peer.sendall(response(200, b"token-%d" % len(puts)))
        else:
            gets.append(head)
            peer.sendall(response(200, b"keys") if b"token-2" in head else response(401))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        assert imds.active_keys("root", deadline()) == b"keys"
    assert (len(puts), len(gets)) == (2, 2)


def test_two_401_in_a_row_are_an_error() -> None:
    gets = []

    def talk(peer: socket.socket, head: bytes) -> None:
        gets.append(head)
        peer.sendall(response(200, b"token") if head.startswith(b"PUT") else response(401))

    with serving(talk) as endpoint:
        assert refused(endpoint).reason is Reason.IMDS_ERROR
    assert len(gets) == 4


def read_twice(talk: Talk, age: float) -> None:
    """Read a fact of the IMDS that does `talk`, and again after `age` seconds."""
    clock = Clock()
    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds:
        for _ in range(2):
            imds.instance_id(Deadline(clock() + SOON, clock))
            clock.now += age


@pytest.mark.parametrize(("age", "tokens"), [(21299.5, 1), (21300.0, 2)])
def test_a_token_is_used_until_300_seconds_before_its_end(age: float, tokens: int) -> None:
    puts: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        puts.extend([head] if head.startswith(b"PUT") else [])
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    read_twice(talk, age)
    assert len(puts) == tokens


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500])
def test_a_refused_token_request_is_an_error(status: int) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        peer.sendall(response(status))

    with serving(talk) as endpoint:
        assert refused(endpoint).reason is (Reason.IMDS_DISABLED if status == 403 else Reason.IMDS_ERROR)


@pytest.mark.parametrize("token", [b"", b"a b", b"a\r\nX: y", b"t" * 1025, b"\xff", b"a\n"])
def test_a_malformed_token_is_not_sent(token: bytes) -> None:
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.sendall(response(200, token))

    with serving(talk) as endpoint:
        assert refused(endpoint).reason is Reason.IMDS_ERROR
    assert len(heads) == 1


@pytest.mark.parametrize("length", [1, 1024, 1025])
def test_a_token_of_more_than_1024_characters_is_refused(length: int) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        peer.sendall(response(200, b"t" * length if head.startswith(b"PUT") else b"keys"))

    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds:
        if length <= 1024:
            assert imds.active_keys("root", deadline()) == b"keys"
        else:
            with pytest.raises(NotGranted, match="api/token is longer than 1024 bytes"):
                imds.active_keys("root", deadline())


# The connection.


@pytest.mark.parametrize(("age", "connections"), [(1.5, 1), (2.0, 2), (2.5, 2)])
def test_a_connection_is_kept_for_two_seconds(age: float, connections: int) -> None:
    peers = set()

    def talk(peer: socket.socket, head: bytes) -> None:
        peers.add(peer.getpeername())
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    read_twice(talk, age)
    assert len(peers) == connections


def test_a_kept_connection_that_imds_closed_is_replaced() -> None:
    peers = set()

    def talk(peer: socket.socket, head: bytes) -> None:
        if peer in peers:
            peer.shutdown(socket.SHUT_RDWR)  # the second request over it meets a closed door
            return
        if head.startswith(b"GET"):
            peers.add(peer)
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        for _ in range(3):
            assert imds.instance_id(deadline()) == "i-0123456789abcdef0"
    assert len(peers) == 3


def test_a_request_on_a_new_connection_is_not_retried() -> None:
    peers = []

    def talk(peer: socket.socket, head: bytes) -> None:
        peers.append(peer.getpeername())
        peer.shutdown(socket.SHUT_RDWR)

    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        imds.active_keys("root", deadline())
    assert len(peers) == 1
    assert caught.value.detail == "the answer to api/token is missing: the connection was closed"


def test_the_connection_is_closed_at_the_end() -> None:
    closed = threading.Event()

    def talk(peer: socket.socket, head: bytes) -> None:
        peer.sendall(response(200, b"i-0123456789abcdef0"))
        if head.startswith(b"GET") and peer.recv(1) == b"":  # raises TimeoutError where the connection stays open
            closed.set()

    with serving(talk) as endpoint:
        imds = Imds(endpoint, SOON)
        with imds:
            imds.instance_id(deadline())
            assert not closed.is_set()
        assert closed.wait(waiting.TIMEOUT)


def test_proxies_and_netrc_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heads: List[bytes] = []

    def record(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.sendall(response(502))

    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    keys = answering(response(200, b"keys"))
    with serving(record) as proxy, serving(keys) as endpoint, Imds(endpoint, 1) as imds:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        assert imds.active_keys("root", deadline()) == b"keys"
    assert heads == []


def test_no_request_is_sent_when_no_time_is_left() -> None:
    assert refused("http://127.0.0.1:9", whole=-1).reason is Reason.DEADLINE_EXCEEDED


def test_a_closed_port_is_reported_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        begun = time.monotonic()
        problem = refused("http://127.0.0.1:%d" % unused.getsockname()[1], timeout=1.0)
    assert problem.reason is Reason.IMDS_UNREACHABLE
    assert "refused" in problem.detail
    assert time.monotonic() - begun < 1.0


def test_a_port_where_nothing_listens_is_reported_in_the_kernels_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = "http://127.0.0.1:%d" % closed.getsockname()[1]
    with Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        imds.active_keys("root", deadline())
    assert caught.value.detail == f"the request to {endpoint} for api/token failed: Connection refused"


def test_a_peer_that_accepts_no_connection_is_waited_for_one_requests_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            begun = time.monotonic()
            problem = refused("http://127.0.0.1:%d" % full.getsockname()[1], timeout=0.4)
            assert problem.reason is Reason.IMDS_UNREACHABLE
            assert time.monotonic() - begun < 1.0
        finally:
            for filler in fillers:
                filler.close()


def test_a_closed_connection_is_reported_at_once() -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        peer.shutdown(socket.SHUT_RDWR)

    with serving(talk) as endpoint:
        begun = time.monotonic()
        assert refused(endpoint, timeout=1.0).reason is Reason.IMDS_ERROR
        assert time.monotonic() - begun < 1.0


# A read has one request's time in all, whatever it takes: I5, an attempt is slowed by one second at most.


def test_a_read_ends_when_the_decisions_time_ends() -> None:
    with serving(hang) as endpoint:
        begun = time.monotonic()
        assert refused(endpoint, timeout=1.0, whole=0.3).reason is Reason.DEADLINE_EXCEEDED
        assert time.monotonic() - begun < 1.0


class Stepping:
    """A clock that only the server advances; `heads` are the requests that it received."""

    def __init__(self, talk: Callable[[Stepping, socket.socket, bytes], None]) -> None:
        self.now = 0.0
        self.heads: List[bytes] = []
        self._talk = talk

    def talk(self, peer: socket.socket, head: bytes) -> None:
        self.heads.append(head)
        self._talk(self, peer, head)

    def deadline(self) -> Deadline:
        return Deadline(self.now + 3, lambda: self.now)


def test_a_token_that_takes_all_the_time_is_kept_for_the_next_read() -> None:
    def talk(stepping: Stepping, peer: socket.socket, head: bytes) -> None:
        stepping.now += 0.0 if head.startswith(b"PUT") else 0.9
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    class SlowToken(Session):
        def _fresh_token(self, *arguments: Any) -> str:
            token = super()._fresh_token(*arguments)
            stepping.now += 1.0  # when it is here: a step while it is under way would race with its last byte
            return token

    stepping = Stepping(talk)
    with serving(stepping.talk) as endpoint, contextlib.closing(SlowToken(endpoint, 1.0, SessionState())) as session:
        with pytest.raises(NotGranted, match=r"did not answer .* within 1 s"):
            session.get("managed-ssh-keys/active-keys/root", 1024, stepping.deadline())
        assert len(stepping.heads) == 1
        assert stepping.now == 1.0
        assert session.get("instance-id", 1024, stepping.deadline()) == b"i-0123456789abcdef0"
        assert [head[:3] for head in stepping.heads] == [b"PUT", b"GET"]


def test_replacing_a_token_gets_no_time_of_its_own() -> None:
    def talk(stepping: Stepping, peer: socket.socket, head: bytes) -> None:
        stepping.now += 0.0 if head.startswith(b"PUT") else 1.0
        peer.sendall(response(200, b"token") if head.startswith(b"PUT") else response(401))

    stepping = Stepping(talk)
    with serving(stepping.talk) as endpoint, Imds(endpoint, 1.0) as imds:
        for problem in ("did not answer .* within 1 s", "a moment ago"):
            with pytest.raises(NotGranted, match=problem):
                imds.active_keys("root", stepping.deadline())
        assert [head[:3] for head in stepping.heads] == [b"PUT", b"GET"]


def test_a_retry_on_a_new_connection_gets_only_the_time_that_is_left() -> None:
    def talk(stepping: Stepping, peer: socket.socket, head: bytes) -> None:
        if b"keys/root" not in head:
            peer.sendall(response(200, b"i-0123456789abcdef0"))
        elif not any(b"keys/root" in other for other in stepping.heads[:-1]):
            stepping.now += 0.9
            peer.close()
        else:
            stepping.now += 0.2  # and no answer

    stepping = Stepping(talk)
    with serving(stepping.talk) as endpoint, Imds(endpoint, 1.0) as imds:
        imds.instance_id(stepping.deadline())
        with pytest.raises(NotGranted, match=r"did not answer .* within 1 s"):
            imds.active_keys("root", stepping.deadline())
        assert stepping.now == pytest.approx(1.1)
        with pytest.raises(NotGranted, match="a moment ago"):
            imds.active_keys("root", stepping.deadline())


# What an exception of the libraries means.


def test_any_exception_of_a_library_over_an_answer_is_an_imds_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AttributeError("'bool' object has no attribute 'strip'")

    with serving(answering(response(200, b"ok"))) as endpoint, Imds(endpoint, 3) as imds:
        monkeypatch.setattr(bounded.HttpClient, "exchange", fail)
        with pytest.raises(NotGranted, match="api/token cannot be read: AttributeError") as caught:
            imds.active_keys("root", deadline())
    assert caught.value.reason is Reason.IMDS_ERROR


def test_an_import_error_is_not_taken_for_an_error_of_imds(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ImportError("no such module")

    with Imds("http://127.0.0.1:1", SOON) as imds:
        monkeypatch.setattr(bounded.HttpClient, "exchange", fail)
        with pytest.raises(ImportError):
            imds.active_keys("root", deadline())
