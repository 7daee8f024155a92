# SPDX-License-Identifier: Apache-2.0
"""The edges of what is read of IMDS: the longest answer, the shortest name, the last moment."""

from __future__ import annotations

import base64
import gzip
import os
import socket
import time
from typing import Callable, Dict, List, Optional

import pytest
import requests

from eic_sshd.imds.availability import TOKEN_PATH, Availability
from eic_sshd.imds.bounded import Limit
from eic_sshd.imds.client import Imds, ImdsState, SignerMaterial
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason
from testbed import waiting
from testbed.raw_http_server import Talk, response, serving

KEYS = "managed-ssh-keys/active-keys/root"
CHAIN = "managed-ssh-keys/signer-cert"
STAPLES = "managed-ssh-keys/signer-ocsp"
SOON = 10.0  # seconds: for whatever must not depend on how busy the machine is


class Clock:
    """A clock that the test moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def soon() -> Deadline:
    return Deadline.after(SOON, time.monotonic)


def having(bodies: Dict[str, bytes], read: Optional[List[str]] = None, statuses: Dict[str, int] = {}) -> Talk:  # noqa: B006
    """An IMDS with these bodies, and these statuses, by their paths. What is asked for goes to `read`."""

    def talk(peer: socket.socket, head: bytes) -> None:
        if head.startswith(b"PUT"):
            peer.sendall(response(200, b"a-token"))
            return
        path = head.split(b" ")[1].decode().replace("/latest/meta-data/", "")
        if read is not None:
            read.append(path)
        status = statuses.get(path, 200 if path in bodies else 404)
        peer.sendall(response(status, bodies.get(path, b"")))

    return talk


Read = Callable[[Imds], object]

READS: Dict[str, Read] = {
    "instance-id": lambda imds: imds.instance_id(soon()),
    CHAIN: lambda imds: imds.signer_chain(soon()),
    STAPLES: lambda imds: imds.staples(soon()),
    KEYS: lambda imds: imds.active_keys("root", soon()),
}
BODIES = {"instance-id": b"i-0123456789abcdef0", CHAIN: b"x", STAPLES: b"", KEYS: b"x"}


@pytest.mark.parametrize(
    ("path", "limit"), [("instance-id", 1024), (CHAIN, 32 * 1024), (STAPLES, 4 * 1024), (KEYS, 512 * 1024)]
)
def test_an_answer_of_the_limit_is_read_and_one_byte_more_is_refused(path: str, limit: int) -> None:
    for length in (limit, limit + 1):
        with serving(having({path: BODIES[path].ljust(length, b"\n")})) as endpoint, Imds(endpoint, SOON) as imds:
            if length == limit:
                READS[path](imds)
                continue
            with pytest.raises(NotGranted) as caught:
                READS[path](imds)
            assert caught.value.reason is Reason.IMDS_ERROR
            assert f"longer than {limit} bytes" in caught.value.detail


@pytest.mark.parametrize(("path", "limit"), [("instance-id", 1024), (KEYS, 512 * 1024)])
def test_no_more_of_a_long_answer_is_read_than_shows_that_it_is_too_long(path: str, limit: int) -> None:
    talk = having({path: b"x" * (limit + 100_000)})
    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        READS[path](imds)
    assert f"longer than {limit} bytes" in caught.value.detail


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n"],
)
def test_an_answer_that_is_no_http_is_told_as_that(answer: bytes) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        peer.sendall(answer)
        peer.shutdown(socket.SHUT_RDWR)

    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        imds.active_keys("root", soon())
    assert (caught.value.reason, caught.value.detail) == (Reason.IMDS_ERROR, "the answer to api/token is not HTTP")


@pytest.mark.parametrize("path", ["instance-id", CHAIN])
def test_a_fact_that_is_not_there_is_an_error_that_names_its_path(path: str) -> None:
    with serving(having({})) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        READS[path](imds)
    assert (caught.value.reason, caught.value.detail) == (Reason.IMDS_ERROR, f"{path} answered 404")


@pytest.mark.parametrize("length", [1, 1024, 1025])
def test_a_token_has_1024_characters_at_the_most(length: int) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        peer.sendall(response(200, b"t" * length if head.startswith(b"PUT") else b"keys"))

    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds:
        if length <= 1024:
            assert imds.active_keys("root", soon()) == b"keys"
        else:
            with pytest.raises(NotGranted, match="api/token is longer than 1024 bytes"):
                imds.active_keys("root", soon())


@pytest.mark.parametrize(("digits", "is_one"), [(7, False), (8, True), (32, True), (33, False)])
def test_an_instance_id_has_8_to_32_digits(digits: int, is_one: bool) -> None:
    with serving(having({"instance-id": b"i-" + b"0" * digits})) as endpoint, Imds(endpoint, SOON) as imds:
        if is_one:
            assert imds.instance_id(soon()) == "i-" + "0" * digits
        else:
            with pytest.raises(NotGranted, match="instance-id is"):
                imds.instance_id(soon())


ZONES = [
    ("us-west-2a", True), ("us-west-2-lax", True), ("us-west-2-lax-1a", True), ("us-west-2-abcdefgh", True),
    ("us-west-2-a-b-c-d", True),
    ("us-west-2", False), ("us-west-2-", False), ("us-west-2ab", False), ("us-west-2-abcdefghi", False),
    ("us-west-2-a-b-c-d-e", False),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "is_one"), ZONES)
def test_the_region_is_the_zones_where_imds_has_no_region(zone: str, is_one: bool) -> None:
    with serving(having({"placement/availability-zone": zone.encode()})) as endpoint, Imds(endpoint, SOON) as imds:
        if is_one:
            assert imds.region(soon()) == "us-west-2"
        else:
            with pytest.raises(NotGranted, match="availability-zone is"):
                imds.region(soon())


@pytest.mark.parametrize(
    ("name", "is_read"),
    [("a", True), ("A" * 128, True), ("A" * 129, False), ("a/b", False), ("..", False), ("a%2e", False), (".a", False)],
)
def test_only_staples_with_plain_names_are_asked_for(name: str, is_read: bool) -> None:
    asked: List[str] = []
    with serving(having({STAPLES: name.encode()}, asked)) as endpoint, Imds(endpoint, SOON) as imds:
        assert imds.staples(soon()) == []
    assert asked == [STAPLES, *([f"{STAPLES}/{name}"] if is_read else [])]


def test_what_is_not_wholly_base64_is_no_staple() -> None:
    text = b"!" + base64.b64encode(b"a staple")
    with serving(having({STAPLES: b"A", f"{STAPLES}/A": text})) as endpoint, Imds(endpoint, SOON) as imds:
        assert imds.staples(soon()) == [b""]


def test_a_staple_that_imds_keeps_back_is_no_staple_that_cannot_be_read() -> None:
    talk = having({STAPLES: b"A"}, statuses={f"{STAPLES}/A": 403})
    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        imds.staples(soon())
    assert caught.value.reason is Reason.IMDS_DISABLED


def test_the_first_staple_that_cannot_be_read_is_the_one_that_is_named() -> None:
    talk = having({STAPLES: b"A\nB"}, statuses={f"{STAPLES}/A": 500, f"{STAPLES}/B": 503})
    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds:
        assert imds.staples(soon()) == []
        assert imds.unread_staple is not None
        assert imds.unread_staple.detail == f"{STAPLES}/A answered 500"


# When the token, a connection, and what was read of the signer are too old.


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


@pytest.mark.parametrize(("age", "connections"), [(1.5, 1), (2.0, 2), (2.5, 2)])
def test_a_connection_is_kept_for_two_seconds(age: float, connections: int) -> None:
    peers = set()

    def talk(peer: socket.socket, head: bytes) -> None:
        peers.add(peer.getpeername())
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    read_twice(talk, age)
    assert len(peers) == connections


def test_the_connection_is_closed_at_the_end() -> None:
    peers: List[socket.socket] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        peers.append(peer)
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    with serving(talk) as endpoint:
        imds = Imds(endpoint, SOON)
        with imds:
            imds.instance_id(soon())
        # The server closes the connection when it receives nothing more.
        waiting.until(lambda: peers[0].fileno() == -1, "the server closes the connection")


def test_what_was_read_of_the_signer_serves_for_ten_seconds() -> None:
    material = SignerMaterial()
    material.store("a", b"x", 1000.0)
    assert material.body("a", 1009.5) == (b"x",)
    assert material.body("a", 1010.0) is None
    assert material.body("b", 1000.0) is None


@pytest.mark.parametrize(("later", "kept"), [(9.5, 2), (10.0, 1), (11.0, 1)])
def test_what_no_longer_serves_is_not_kept(later: float, kept: int) -> None:
    material = SignerMaterial()
    material.store("a", b"x", 1000.0)
    material.store("b", b"x", 1000.0 + later)
    assert len(material._bodies) == kept


# Which of its paths, or whether all of it, is not waited for after a request timed out.


def limit(connecting: bool = True, connected: bool = True) -> Limit:
    made = Limit()
    made.connecting, made.connected = connecting, connected
    return made


@pytest.mark.parametrize(
    ("timed_out", "all_of_it"),
    [
        ([("a", 0.0, limit())], False),
        ([("a", 0.0, limit(connected=False))], True),
        ([(TOKEN_PATH, 0.0, limit())], True),
        ([("a", 0.0, limit()), ("a", 1.0, limit())], False),
        ([("a", 0.0, limit()), ("b", 1.0, limit())], True),
        ([("a", 0.0, limit()), ("b", 1.0, limit(connecting=False))], False),
        ([("a", 0.0, limit()), ("b", 5.0, limit())], False),
        ([("a", 0.0, limit()), ("b", 6.0, limit())], False),
    ],
)
def test_imds_is_silent_when_nothing_of_it_answers(timed_out: List[tuple[str, float, Limit]], all_of_it: bool) -> None:
    availability = Availability()
    for path, moment, one in timed_out:
        availability.record_timeout(path, 1000.0 + moment, one)
        assert availability.retry_after(path, 1000.0 + moment) == 5.0
    assert (availability.retry_after("another", 1000.0 + timed_out[-1][1]) > 0) is all_of_it


def test_a_silent_imds_is_not_asked_until_its_five_seconds_are_over() -> None:
    state, clock = ImdsState(), Clock()
    state.session.availability.record_timeout(TOKEN_PATH, clock(), limit())
    asked: List[str] = []
    with serving(having(BODIES, asked)) as endpoint, Imds(endpoint, SOON, state) as imds:
        clock.now += 4.5
        with pytest.raises(NotGranted, match=r"did not answer a moment ago; no request is sent for 0\.5 s"):
            imds.active_keys("root", Deadline(clock() + SOON, clock))
        clock.now += 0.5
        assert imds.active_keys("root", Deadline(clock() + SOON, clock)) == b"x"


@pytest.mark.parametrize(
    ("deadline", "waited", "reason", "silent"),
    [
        (0.5, 0.5, Reason.DEADLINE_EXCEEDED, True),  # the decision's time was over after half of a request's
        (0.4, 0.4, Reason.DEADLINE_EXCEEDED, False),
        (3.0, 0.75, Reason.IMDS_UNREACHABLE, False),  # the request's time is not over by this clock
        (3.0, 1.0, Reason.IMDS_UNREACHABLE, True),
    ],
)
def test_who_let_half_a_request_s_time_pass_is_silent(
    deadline: float, waited: float, reason: Reason, silent: bool
) -> None:
    clock = Clock()

    def talk(peer: socket.socket, head: bytes) -> None:
        clock.now += waited
        peer.sendall(b"H")  # and nothing more

    state = ImdsState()
    with serving(talk) as endpoint, Imds(endpoint, 1.0, state) as imds, pytest.raises(NotGranted) as caught:
        imds.active_keys("root", Deadline(clock() + deadline, clock))
    assert caught.value.reason is reason
    assert (state.session.availability.retry_after("another", clock()) > 0) is silent


# What becomes of an exchange that fails.


def test_a_connection_that_was_opened_for_the_request_and_fails_is_not_opened_again() -> None:
    peers = []

    def talk(peer: socket.socket, head: bytes) -> None:
        peers.append(peer.getpeername())
        peer.shutdown(socket.SHUT_RDWR)

    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        imds.active_keys("root", soon())
    assert len(peers) == 1
    assert caught.value.detail == "the answer to api/token is missing: the connection was closed"


def test_a_module_that_does_not_load_is_no_answer_of_imds(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ImportError("no such module")

    with Imds("http://127.0.0.1:1", SOON) as imds:
        monkeypatch.setattr(requests.Session, "request", fail)
        with pytest.raises(ImportError):
            imds.active_keys("root", soon())


def test_an_error_that_names_itself_as_its_cause_is_told_like_any(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        error = OSError("it goes round")
        error.args = (error, "text")
        raise error

    with Imds("http://127.0.0.1:1", SOON) as imds:
        monkeypatch.setattr(requests.Session, "request", fail)
        with pytest.raises(NotGranted) as caught:
            imds.active_keys("root", soon())
    assert caught.value.detail == "the request to http://127.0.0.1:1 for api/token failed: OSError"


def test_a_port_where_nobody_listens_is_told_in_the_kernels_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = "http://127.0.0.1:%d" % closed.getsockname()[1]
    with Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        imds.active_keys("root", soon())
    assert caught.value.detail == f"the request to {endpoint} for api/token failed: Connection refused"


@pytest.mark.parametrize("length", [10, 100_000])
def test_a_compressed_answer_is_not_decompressed(length: int) -> None:
    body = gzip.compress(os.urandom(length))

    def talk(peer: socket.socket, head: bytes) -> None:
        token = head.startswith(b"PUT")
        peer.sendall(response(200, b"token") if token else response(200, body, "Content-Encoding: gzip"))

    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted, match="is compressed"):
        imds.active_keys("root", soon())


@pytest.mark.parametrize(("length", "is_read"), [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_only_answers_of_more_than_64_kib_wait_for_others_of_their_size(length: int, is_read: bool) -> None:
    state = ImdsState()
    while state.session.large_bodies.acquire(blocking=False):
        pass  # as many as may are being taken in
    body = b"x" * length
    with serving(having({KEYS: body})) as endpoint, Imds(endpoint, SOON if is_read else 0.5, state) as imds:
        if is_read:
            assert imds.active_keys("root", soon()) == body
        else:
            with pytest.raises(NotGranted) as caught:
                imds.active_keys("root", soon())
            assert caught.value.reason is Reason.IMDS_UNREACHABLE


def test_a_client_that_is_left_is_closed_and_not_before() -> None:
    closed: List[Imds] = []

    class Closing(Imds):
        def close(self) -> None:
            closed.append(self)
            super().close()

    with Closing("http://127.0.0.1:9", SOON) as imds:
        assert closed == []
    assert closed == [imds]
