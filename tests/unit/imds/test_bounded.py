# SPDX-License-Identifier: Apache-2.0
"""The bounds of one request, and the session that keeps them: of Limit itself, on a socket pair, and over loopback."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import time
from typing import Iterator, List, Tuple

import pytest

from eic_sshd.imds.bounded import HttpClient, Limit, LimitedSocket, TooLong
from eic_sshd.model.deadline import Deadline
from testbed import waiting
from testbed.raw_http_server import response, serving

HEAD_BYTES = 16 * 1024
FRAMING_BYTES = 8 * 1024
MAX_LINES = 512
LONG = 60.0


def begun(body: int = 0, seconds: float = LONG) -> Limit:
    limit = Limit()
    limit.begin(Deadline.after(seconds, time.monotonic), body)
    return limit


@contextlib.contextmanager
def client(endpoint: str, limit: Limit) -> Iterator[HttpClient]:
    with contextlib.closing(HttpClient(endpoint, limit)) as made:
        yield made


def content(made: HttpClient, path: str = "/", **headers: str) -> bytes:
    with made.exchange("GET", path, headers) as answer:
        return answer.read(1024)


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
    with serving(lambda peer, head: peer.sendall(answer)) as endpoint, client(endpoint, begun(body=1024)) as made:
        if accepted:
            assert content(made) == b"x" * chunks
        else:
            with pytest.raises(TooLong, match="more lines"):
                content(made)


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


class Heads(List[bytes]):
    """The heads of the requests that a server had; it answers each with `answer`."""

    def __init__(self, answer: bytes = response(200, b"ok")) -> None:
        super().__init__()
        self.answer = answer

    def talk(self, peer: socket.socket, head: bytes) -> None:
        self.append(head)
        peer.sendall(self.answer)


def test_request_has_only_the_necessary_headers() -> None:
    heads = Heads()
    with serving(heads.talk) as endpoint, client(endpoint, begun(body=100)) as made:
        assert content(made, "/path", X="1") == b"ok"
    (head,) = heads
    request, *headers = head[: -len(b"\r\n\r\n")].split(b"\r\n")
    host = endpoint.partition("://")[2].encode()
    assert request == b"GET /path HTTP/1.1"
    assert sorted(headers) == [b"Accept-Encoding: identity", b"Host: " + host, b"User-Agent: eic-sshd", b"X: 1"]


def test_nothing_is_sent_before_a_request_begins() -> None:
    heads = Heads()
    limit = Limit()
    assert limit.remaining() == 0
    with serving(heads.talk) as endpoint, client(endpoint, limit) as made, pytest.raises(socket.timeout):
        content(made)
    assert heads == []


def test_request_is_sent_only_once() -> None:
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.shutdown(socket.SHUT_RDWR)

    closed = pytest.raises(http.client.RemoteDisconnected)
    with serving(talk) as endpoint, client(endpoint, begun()) as made, closed:
        content(made)
    assert len(heads) == 1


@pytest.mark.parametrize("scheme", ["https", "ftp", "file"])
def test_https_is_not_supported(scheme: str) -> None:
    with pytest.raises(ValueError, match=f"{scheme}://127.0.0.1: only http:// is possible"):
        HttpClient(f"{scheme}://127.0.0.1", begun())


@pytest.mark.parametrize(
    ("endpoint", "host", "port"),
    [("http://[fd00:ec2::254]", "fd00:ec2::254", 80), ("http://127.0.0.1:8080", "127.0.0.1", 8080)],
)
def test_endpoint_gives_address_and_port(endpoint: str, host: str, port: int) -> None:
    made = HttpClient(endpoint, begun())
    assert (made.host, made.port) == (host, port)


def test_limit_shows_whether_a_connection_was_opened_and_whether_one_is_open() -> None:
    limit = Limit()
    assert (limit.connecting, limit.connected) == (False, True)
    with serving(Heads().talk) as endpoint, client(endpoint, limit) as made:
        for opens in (True, False):
            limit.begin(Deadline.after(LONG, time.monotonic), 100)
            assert (limit.connecting, limit.connected) == (False, True)
            assert content(made) == b"ok"
            assert (limit.connecting, limit.connected) == (opens, True)


def test_limit_shows_that_a_connection_could_not_be_opened() -> None:
    limit = begun()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = pytest.raises(ConnectionRefusedError)
        with client("http://127.0.0.1:%d" % unused.getsockname()[1], limit) as made, refused:
            content(made)
    assert (limit.connecting, limit.connected) == (True, False)


@pytest.mark.parametrize("wanted", [0, 1])
def test_connection_is_not_used_again_if_a_body_was_not_read_whole(wanted: int) -> None:
    limit = Limit()
    with serving(Heads().talk) as endpoint, client(endpoint, limit) as made:
        for _ in range(2):
            limit.begin(Deadline.after(LONG, time.monotonic), 100)
            with made.exchange("GET", "/", {}) as answer:
                assert answer.read(wanted) == b"ok"[:wanted]
            assert limit.connecting


def test_connection_is_not_used_again_after_an_error() -> None:
    limit = Limit()
    with serving(Heads().talk) as endpoint, client(endpoint, limit) as made:
        for _ in range(2):
            limit.begin(Deadline.after(LONG, time.monotonic), 100)
            with pytest.raises(ZeroDivisionError), made.exchange("GET", "/", {}) as answer:
                raise ZeroDivisionError(answer.read(100))
            assert limit.connecting


def test_bytes_that_no_request_asked_for_are_not_an_answer() -> None:
    limit = Limit()
    peers: List[socket.socket] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        peers.append(peer)
        peer.sendall(response(200, b"ok") * 2)

    with serving(talk) as endpoint, client(endpoint, limit) as made:
        for _ in range(3):
            limit.begin(Deadline.after(LONG, time.monotonic), 100)
            assert content(made) == b"ok"
            assert limit.connecting
            peers[-1].sendall(response(200, b"no"))
            waiting.until(lambda: select.select([made.sock], [], [], 0)[0], "the bytes arrive")


@pytest.mark.parametrize("location", ["/elsewhere", "http://127.0.0.1/elsewhere"])
def test_redirect_is_not_followed(location: str) -> None:
    heads = Heads(response(302, b"moved", f"Location: {location}"))
    with serving(heads.talk) as endpoint, client(endpoint, begun(body=100)) as made:
        assert content(made) == b"moved"
    assert len(heads) == 1


def test_cookie_is_not_sent_back() -> None:
    limit = Limit()
    heads = Heads(response(200, b"ok", "Set-Cookie: a=b"))
    with serving(heads.talk) as endpoint, client(endpoint, limit) as made:
        for _ in range(2):
            limit.begin(Deadline.after(LONG, time.monotonic), 100)
            assert content(made) == b"ok"
    assert b"cookie" not in b"".join(heads).lower()


def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = Heads()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving(heads.talk) as endpoint, client(endpoint, begun(body=100)) as made:
        assert content(made) == b"ok"
