# SPDX-License-Identifier: Apache-2.0
"""Answers that are malformed, too long, too slow or endless: refused within the time and memory of one request."""

from __future__ import annotations

import gzip
import os
import socket
import time
from typing import Dict, List

import pytest

from eic_sshd.imds.bounded import Limit
from eic_sshd.imds.client import Imds, ImdsState
from eic_sshd.model.reasons import NotGranted, Reason
from testbed.raw_http_server import Talk, response, serving

from .conversations import KEYS, SOON, answering, deadline, hang, having, refused

KIB = 1024

ANSWERS = [
    (response(403), Reason.IMDS_DISABLED),
    (response(500), Reason.IMDS_ERROR),
    (response(503), Reason.IMDS_ERROR),
    (response(204), Reason.IMDS_ERROR),
    (response(302, b"", "Location: /latest/meta-data/elsewhere"), Reason.IMDS_ERROR),
    (response(200, b"x", "Content-Encoding: gzip"), Reason.IMDS_ERROR),
    (response(200, b"x" * (512 * 1024 + 1)), Reason.IMDS_ERROR),
    (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.IMDS_ERROR),
    (b"\0" * 100_000, Reason.IMDS_ERROR),
    (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", Reason.IMDS_ERROR),
    (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", Reason.IMDS_ERROR),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n", Reason.IMDS_ERROR),
]


@pytest.mark.parametrize(("answer", "reason"), ANSWERS)
def test_a_bad_answer_to_a_read_is_refused_with_its_reason(answer: bytes, reason: Reason) -> None:
    with serving(answering(answer)) as endpoint:
        assert refused(endpoint).reason is reason


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n"],
)
def test_an_answer_that_is_not_http_is_reported_as_that(answer: bytes) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        peer.sendall(answer)
        peer.shutdown(socket.SHUT_RDWR)

    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        imds.active_keys("root", deadline())
    assert (caught.value.reason, caught.value.detail) == (Reason.IMDS_ERROR, "the answer to api/token is not HTTP")


@pytest.mark.parametrize("where", ["body", "chunk"])
def test_an_incomplete_answer_is_an_error(where: str) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        if head.startswith(b"PUT"):
            peer.sendall(response(200, b"token"))
            return
        if where == "body":
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
        else:
            peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + b"x" * 50)
        peer.shutdown(socket.SHUT_RDWR)

    with serving(talk) as endpoint:
        assert refused(endpoint).reason is Reason.IMDS_ERROR


@pytest.mark.parametrize("location", [b"http://[::1", b"/\xff\xfe", b"http://x:99999/"])
def test_a_malformed_redirect_is_an_error(location: bytes) -> None:
    answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    with serving(answering(answer)) as endpoint:
        assert refused(endpoint).reason is Reason.IMDS_ERROR


@pytest.mark.parametrize(
    "header",
    ["Content-Type: text/plain; charset", "Content-Type: ;;=", "Location: http://[", "Set-Cookie: \xff", "Date: never"],
)
def test_headers_that_are_not_needed_are_not_read(header: str) -> None:
    with serving(answering(response(200, b"ok", header))) as endpoint, Imds(endpoint, 3) as imds:
        assert imds.active_keys("root", deadline(10)) == b"ok"


@pytest.mark.parametrize("length", [10, 100_000])
def test_a_compressed_answer_is_not_decompressed(length: int) -> None:
    body = gzip.compress(os.urandom(length))

    def talk(peer: socket.socket, head: bytes) -> None:
        token = head.startswith(b"PUT")
        peer.sendall(response(200, b"token") if token else response(200, body, "Content-Encoding: gzip"))

    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted, match="is compressed"):
        imds.active_keys("root", deadline())


# Slow.


def drip_from_the_status_line(peer: socket.socket, head: bytes) -> None:
    for byte in response(200, b"x" * 20):
        peer.sendall(bytes([byte]))
        time.sleep(0.1)


def dripping(head: bytes, piece: bytes) -> Talk:
    """Sends `head` and then a piece every now and then."""

    def talk(peer: socket.socket, _: bytes) -> None:
        peer.sendall(head)
        for _piece in range(15):
            peer.sendall(piece)
            time.sleep(0.1)

    return talk


SLOW: Dict[str, Talk] = {
    "silent": hang,
    "from the status line on": drip_from_the_status_line,
    "headers without end": dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"x"),
    "chunks": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("slow", SLOW)
def test_a_slow_peer_cannot_hold_a_request_beyond_its_time(slow: str) -> None:
    with serving(SLOW[slow]) as endpoint:
        begun = time.monotonic()
        assert refused(endpoint, timeout=0.4).reason is Reason.IMDS_UNREACHABLE
        assert time.monotonic() - begun < 2.0


# Long. Each of these is refused before all of it was received.


def head_of(size: int, name: bytes = b"Set-Cookie2: ") -> bytes:
    """A whole answer whose status line and headers have `size` bytes."""
    begin, end = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", b"\r\n"
    lines: List[bytes] = []
    left = size - len(begin) - len(end)
    while left:
        length = left if left < 2 * KIB else KIB
        lines.append(name + b"x" * (length - len(name) - 2) + b"\r\n")
        left -= length
    return begin + b"".join(lines) + end + b"ok"


@pytest.mark.parametrize("name", [b"X: ", b"Set-Cookie: ", b"Set-Cookie2: "])
def test_a_head_of_more_than_16_kib_is_refused(name: bytes) -> None:
    for size in (16 * KIB + 1, 100 * KIB, 480 * KIB):
        with serving(answering(head_of(size, name))) as endpoint:
            assert refused(endpoint, timeout=3).reason is Reason.IMDS_ERROR
    with serving(answering(head_of(16 * KIB, name))) as endpoint, Imds(endpoint, 3) as imds:
        assert imds.active_keys("root", deadline(10)) == b"ok"


def chunked(chunks: List[bytes], *trailers: bytes) -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    framed = framed[:-2] + b"".join(trailers) + b"\r\n"
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed


def test_a_body_in_chunks_is_read() -> None:
    with serving(answering(chunked([b"x" * 8 * KIB] * 64))) as endpoint, Imds(endpoint, 3) as imds:
        assert imds.active_keys("root", deadline(10)) == b"x" * 512 * KIB


@pytest.mark.parametrize(
    "answer",
    [
        chunked([b"x"] * 600),
        chunked([b"x" * 8 * KIB] * 66),
        chunked([b"x"], *[b"X: y\r\n"] * 600),
        chunked([b"x"], b"X: " + b"y" * 600 * KIB + b"\r\n"),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 600,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 600 + b"\r\n",
    ],
    ids=["many chunks", "a long body", "many trailers", "a long trailer", "many heads", "many headers"],
)
def test_an_answer_with_too_many_parts_is_refused(answer: bytes) -> None:
    with serving(answering(answer)) as endpoint:
        assert refused(endpoint, timeout=3).reason is Reason.IMDS_ERROR


def test_an_answer_may_come_in_4096_pieces_and_no_more() -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        if head.startswith(b"PUT"):
            peer.sendall(response(200, b"a-token"))
            return
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in response(200, b"x" * 100):
            peer.sendall(bytes([byte]))

    limit = Limit()
    limit.begin(deadline(), 512 * KIB)
    for _ in range(4096):
        limit.allowed(1)
    with pytest.raises(OSError, match="in more pieces"):
        limit.allowed(1)
    with serving(talk) as endpoint, Imds(endpoint, 30) as imds:
        assert imds.active_keys("root", deadline(60)) == b"x" * 100


@pytest.mark.parametrize("length", [64 * KIB, 64 * KIB + 1, 512 * KIB, 512 * KIB + 1])
def test_a_body_of_more_than_512_kib_is_refused(length: int) -> None:
    with serving(answering(response(200, b"x" * length))) as endpoint, Imds(endpoint, 3) as imds:
        if length <= 512 * KIB:
            assert imds.active_keys("root", deadline(10)) == b"x" * length
        else:
            with pytest.raises(NotGranted, match="longer than 524288 bytes"):
                imds.active_keys("root", deadline(10))


def test_at_most_8_large_answers_are_received_at_one_time() -> None:
    state = ImdsState()
    with serving(answering(response(200, b"x" * 100 * KIB))) as endpoint, Imds(endpoint, 3, state) as imds:
        assert imds.active_keys("root", deadline(10)) == b"x" * 100 * KIB
        for _ in range(8):
            assert state.session.large_bodies.acquire(blocking=False)
        assert not state.session.large_bodies.acquire(blocking=False)
        with Imds(endpoint, 0.3, state) as another, pytest.raises(NotGranted, match="did not answer"):
            another.active_keys("root", deadline())


@pytest.mark.parametrize(("length", "is_read"), [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_only_answers_of_more_than_64_kib_wait_for_other_large_answers(length: int, is_read: bool) -> None:
    state = ImdsState()
    while state.session.large_bodies.acquire(blocking=False):
        pass  # as if as many as are allowed were being received
    body = b"x" * length
    with serving(having({KEYS: body})) as endpoint, Imds(endpoint, SOON if is_read else 0.5, state) as imds:
        if is_read:
            assert imds.active_keys("root", deadline()) == body
        else:
            with pytest.raises(NotGranted) as caught:
                imds.active_keys("root", deadline())
            assert caught.value.reason is Reason.IMDS_UNREACHABLE


def memory_in_use() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


FIREHOSE = b"x" * 65536


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff0\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 4000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_an_answer_without_end_costs_little_memory(head: bytes) -> None:
    def talk(peer: socket.socket, _: bytes) -> None:
        peer.sendall(head)
        for _piece in range(1600):  # 100 MiB
            peer.sendall(FIREHOSE)

    before = memory_in_use()
    with serving(talk) as endpoint:
        assert refused(endpoint, timeout=2).reason in (Reason.IMDS_ERROR, Reason.IMDS_UNREACHABLE)
    assert memory_in_use() - before < 20_000
