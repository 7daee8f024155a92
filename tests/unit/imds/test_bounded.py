# SPDX-License-Identifier: Apache-2.0
"""The bounds of one request, and the session that keeps them: of Limit itself, on a socket pair, and over loopback."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Iterator, List, Tuple

import pytest
import requests

from eic_sshd.imds.bounded import HttpClient, Limit, LimitedSocket, TooLong
from eic_sshd.model.deadline import Deadline
from testbed.raw_http_server import response, serving

HEAD_BYTES = 16 * 1024
FRAMING_BYTES = 8 * 1024
MAX_LINES = 512
LONG = 60.0


def begun(body: int = 0, seconds: float = LONG) -> Limit:
    limit = Limit()
    limit.begin(Deadline.after(seconds, time.monotonic), body)
    return limit


def test_answer_with_more_than_512_lines_outside_its_body_is_refused() -> None:
    limit = begun()
    for _ in range(MAX_LINES):
        limit.count_line()
    with pytest.raises(TooLong, match="more lines"):
        limit.count_line()


def test_line_limit_is_per_request() -> None:
    limit = begun()
    for _ in range(3):
        limit.begin(Deadline.after(LONG, time.monotonic), 0)
        for _line in range(MAX_LINES):
            limit.count_line()


# A status line, a header and an empty line; one line for each chunk; then the last chunk's, and an empty one.
@pytest.mark.parametrize(("chunks", "accepted"), [(MAX_LINES - 5, True), (MAX_LINES - 4, False)])
def test_lines_of_chunks_count_like_lines_of_the_head(chunks: int, accepted: bool) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n"
    with contextlib.ExitStack() as opened:
        endpoint = opened.enter_context(serving(lambda peer, head: peer.sendall(answer)))
        made = opened.enter_context(contextlib.closing(HttpClient(begun(body=1024))))
        got = opened.enter_context(made.request("GET", endpoint, {}))
        if accepted:
            assert got.raw.read(1024, decode_content=False) == b"x" * chunks
        else:
            with pytest.raises(Exception, match="more lines"):
                got.raw.read(1024, decode_content=False)


@pytest.mark.parametrize("body", [0, 100, 512 * 1024])
def test_body_may_have_its_limit_and_8_kib_of_framing(body: int) -> None:
    limit = begun(body)
    assert limit.allowed(10**9) == HEAD_BYTES
    limit.count(HEAD_BYTES)
    limit.begin_body()
    assert limit.allowed(10**9) == body + FRAMING_BYTES + 1
    limit.count(body + FRAMING_BYTES)
    assert limit.allowed(10**9) == 1
    limit.count(1)
    with pytest.raises(TooLong, match="longer"):
        limit.allowed(1)


def test_no_more_is_received_than_was_requested() -> None:
    assert begun(body=100).allowed(7) == 7


@pytest.mark.parametrize("already", [0, HEAD_BYTES - 1])
def test_last_byte_within_the_limit_of_a_head_is_received(already: int) -> None:
    limit = begun()
    limit.count(already)
    assert limit.allowed(HEAD_BYTES) == HEAD_BYTES - already


# A socket pair of Unix: what one end sent, the other has.

Pair = Tuple[LimitedSocket, socket.socket, List[float]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A limited socket whose time is over at 10, its peer, and the clock."""
    now = [0.0]
    ours, peer = socket.socketpair()
    limited = LimitedSocket(ours.family, ours.type, ours.proto, fileno=ours.detach())
    limited.limit = Limit()
    limited.limit.begin(Deadline(10.0, lambda: now[0]), 0)
    with limited, peer:
        yield limited, peer, now


@pytest.mark.parametrize("moment", [9.5, 10.0, 10.5, 1000.0])
def test_received_bytes_are_returned_after_the_time_is_over(pair: Pair, moment: float) -> None:
    limited, peer, now = pair
    peer.sendall(b"in time")
    now[0] = moment
    buffer = bytearray(100)
    assert limited.recv_into(buffer) == 7
    assert bytes(buffer[:7]) == b"in time"


@pytest.mark.parametrize("moment", [10.0, 10.5, 1000.0])
def test_no_wait_begins_after_the_time_is_over(pair: Pair, moment: float) -> None:
    limited, _peer, now = pair
    now[0] = moment
    with pytest.raises(socket.timeout, match="time is over"):
        limited.recv_into(bytearray(100))


@pytest.mark.parametrize("moment", [10.0, 10.5, 1000.0])
def test_nothing_is_sent_after_the_time_is_over(pair: Pair, moment: float) -> None:
    limited, peer, now = pair
    limited.sendall(b"before")
    now[0] = moment
    with pytest.raises(socket.timeout, match="time is over"):
        limited.sendall(b"after")
    assert peer.recv(100) == b"before"


# The client, over loopback.


def test_request_has_only_the_necessary_headers() -> None:
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.sendall(response(200, b"ok"))

    with serving(talk) as endpoint, contextlib.closing(HttpClient(begun(body=100))) as made:
        assert made.request("GET", f"{endpoint}/path", {"X-One": "1"}).content == b"ok"
    (head,) = heads
    request, *headers = head[: -len(b"\r\n\r\n")].split(b"\r\n")
    host = endpoint.partition("://")[2].encode()
    assert request == b"GET /path HTTP/1.1"
    assert sorted(headers) == [
        b"Accept-Encoding: identity",
        b"Host: " + host,
        b"User-Agent: eic-sshd",
        b"X-One: 1",
    ]


def test_nothing_is_sent_before_a_request_begins() -> None:
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.sendall(response(200, b"ok"))

    limit = Limit()
    assert limit.remaining() == 0
    with (
        serving(talk) as endpoint,
        contextlib.closing(HttpClient(limit)) as made,
        pytest.raises(socket.timeout),
    ):
        made.request("GET", endpoint, {})
    assert heads == []


def test_request_is_sent_only_once() -> None:
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.shutdown(socket.SHUT_RDWR)

    with (
        serving(talk) as endpoint,
        contextlib.closing(HttpClient(begun())) as made,
        pytest.raises(requests.ConnectionError),
    ):
        made.request("GET", endpoint, {})
    assert len(heads) == 1


@pytest.mark.parametrize("scheme", ["https", "ftp", "file"])
def test_https_is_not_supported(scheme: str) -> None:
    peers: List[bytes] = []
    refusal = pytest.raises(requests.exceptions.InvalidSchema)
    with (
        serving(lambda peer, head: peers.append(head)) as endpoint,
        contextlib.closing(HttpClient(begun())) as made,
        refusal,
    ):
        made.request("GET", endpoint.replace("http", scheme), {})
    assert peers == []


def test_limit_shows_whether_a_connection_was_opened_and_whether_one_is_open() -> None:
    limit = Limit()
    assert (limit.connecting, limit.connected) == (False, True)
    with (
        serving(lambda peer, head: peer.sendall(response(200, b"ok"))) as endpoint,
        contextlib.closing(HttpClient(limit)) as made,
    ):
        for opens in (True, False):
            limit.begin(Deadline.after(LONG, time.monotonic), 100)
            assert (limit.connecting, limit.connected) == (False, True)
            assert made.request("GET", endpoint, {}).content == b"ok"
            assert (limit.connecting, limit.connected) == (opens, True)


def test_limit_shows_that_a_connection_could_not_be_opened() -> None:
    limit = begun()
    with socket.socket() as unused, contextlib.closing(HttpClient(limit)) as made:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(requests.ConnectionError):
            made.request("GET", "http://127.0.0.1:%d" % unused.getsockname()[1], {})
    assert (limit.connecting, limit.connected) == (True, False)


@pytest.mark.parametrize("name", [b"Set-Cookie", b"set-cookie2", b"SET-COOKIE"])
def test_cookies_are_neither_kept_nor_parsed(name: bytes) -> None:
    limit = Limit()
    answer = response(200, b"ok", name.decode() + ": a=b")
    with serving(lambda peer, head: peer.sendall(answer)) as endpoint, contextlib.closing(HttpClient(limit)) as made:
        limit.begin(Deadline.after(LONG, time.monotonic), 100)
        got = made.request("GET", endpoint, {})
        assert (got.content, list(got.cookies)) == (b"ok", [])
