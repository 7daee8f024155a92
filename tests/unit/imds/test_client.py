# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import requests

from eic_sshd.imds.bounded import Limit, http_session
from eic_sshd.imds.client import Imds, ImdsState
from eic_sshd.imds.session import Session, SessionState
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason
from testbed.raw_http_server import Talk, response, serving
from tests.unit.regions import REGIONS

KEYS_PATH = b"GET /latest/meta-data/managed-ssh-keys/active-keys/root "


def deadline(seconds: float = 3.0) -> Deadline:
    return Deadline.after(seconds, time.monotonic)


def answering(answer: bytes) -> Talk:
    """Grants tokens; answers every read with `answer`."""

    def talk(peer: socket.socket, head: bytes) -> None:
        peer.sendall(response(200, b"a-token") if head.startswith(b"PUT") else answer)

    return talk


def refused(endpoint: str, timeout: float = 10.0, whole: float = 30.0) -> NotGranted:
    with Imds(endpoint, timeout) as imds, pytest.raises(NotGranted) as caught:
        imds.active_keys("root", deadline(whole))
    return caught.value


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


def test_404_means_that_there_are_no_keys() -> None:
    with serving(answering(response(404, b"not found"))) as endpoint, Imds(endpoint, 1) as imds:
        assert imds.active_keys("root", deadline()) is None


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


def test_a_token_is_renewed_before_it_expires() -> None:
    puts: List[bytes] = []
    now = [1000.0]

    def talk(peer: socket.socket, head: bytes) -> None:
        if head.startswith(b"PUT"):
            puts.append(head)
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        for moment, tokens in ((1000.0, 1), (1000.0 + 21000, 1), (1000.0 + 21400, 2)):
            now[0] = moment
            imds.instance_id(Deadline(moment + 3, lambda: now[0]))
            assert len(puts) == tokens


def test_401_for_ever_is_an_error_after_two_tries() -> None:
    gets = []

    def talk(peer: socket.socket, head: bytes) -> None:
        gets.append(head)
        peer.sendall(response(200, b"token") if head.startswith(b"PUT") else response(401))

    with serving(talk) as endpoint:
        assert refused(endpoint).reason is Reason.IMDS_ERROR
    assert len(gets) == 4


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
def test_what_is_no_good_answer_is_told_by_its_reason(answer: bytes, reason: Reason) -> None:
    with serving(answering(answer)) as endpoint:
        assert refused(endpoint).reason is reason


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500])
def test_no_token_is_told(status: int) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        peer.sendall(response(status))

    with serving(talk) as endpoint:
        assert refused(endpoint).reason is (Reason.IMDS_DISABLED if status == 403 else Reason.IMDS_ERROR)


@pytest.mark.parametrize("token", [b"", b"a b", b"a\r\nX: y", b"t" * 1025, b"\xff", b"a\n"])
def test_a_token_that_is_none_is_not_sent(token: bytes) -> None:
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.sendall(response(200, token))

    with serving(talk) as endpoint:
        assert refused(endpoint).reason is Reason.IMDS_ERROR
    assert len(heads) == 1


def hang(peer: socket.socket, head: bytes) -> None:
    time.sleep(1.5)


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
def test_no_peer_however_slow_holds_a_request_longer_than_its_time(slow: str) -> None:
    with serving(SLOW[slow]) as endpoint:
        begun = time.monotonic()
        assert refused(endpoint, timeout=0.4).reason is Reason.IMDS_UNREACHABLE
        assert time.monotonic() - begun < 2.0


def test_the_whole_decision_has_its_own_time() -> None:
    with serving(hang) as endpoint:
        begun = time.monotonic()
        assert refused(endpoint, timeout=1.0, whole=0.3).reason is Reason.DEADLINE_EXCEEDED
        assert time.monotonic() - begun < 1.0


def test_nothing_is_asked_when_no_time_is_left() -> None:
    assert refused("http://127.0.0.1:9", whole=-1).reason is Reason.DEADLINE_EXCEEDED


def test_a_closed_port_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        begun = time.monotonic()
        problem = refused("http://127.0.0.1:%d" % unused.getsockname()[1], timeout=1.0)
    assert problem.reason is Reason.IMDS_UNREACHABLE
    assert "refused" in problem.detail
    assert time.monotonic() - begun < 1.0


def test_a_peer_that_does_not_accept_is_waited_for_no_longer_than_a_request() -> None:
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


def test_a_closed_connection_is_told_at_once() -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        peer.shutdown(socket.SHUT_RDWR)

    with serving(talk) as endpoint:
        begun = time.monotonic()
        assert refused(endpoint, timeout=1.0).reason is Reason.IMDS_ERROR
        assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize("where", ["body", "chunk"])
def test_half_an_answer_is_none(where: str) -> None:
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


def test_nothing_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def fact(read: Callable[[Imds], str], body: bytes) -> str:
    with serving(answering(response(200, body))) as endpoint, Imds(endpoint, 1) as imds:
        return read(imds)


def test_an_instance_id_may_end_with_a_newline() -> None:
    assert fact(lambda imds: imds.instance_id(deadline()), b"i-0123456789abcdef0\n") == "i-0123456789abcdef0"


BAD_IDS = [
    b"",
    b"i-123",
    b"i-0123456789ABCDEF0",
    b"i-" + b"0" * 33,
    b"x i-01234567",
    b"i-01234567\ni-01234567",
    b"\xff",
]


@pytest.mark.parametrize("body", BAD_IDS)
def test_an_instance_id_that_is_none_is_an_error(body: bytes) -> None:
    with pytest.raises(NotGranted) as caught:
        fact(lambda imds: imds.instance_id(deadline()), body)
    assert caught.value.reason is Reason.IMDS_ERROR


@pytest.mark.parametrize("body", [b"", b"us-west-2.example.com", b"us-west", b"us_west_2", b"..", b"us-west-2\nx"])
def test_a_region_that_is_none_is_an_error(body: bytes) -> None:
    with pytest.raises(NotGranted) as caught:
        fact(lambda imds: imds.region(deadline()), body)
    assert caught.value.reason is Reason.IMDS_ERROR


@pytest.mark.parametrize(("region", "domain"), REGIONS.items())
def test_the_domain_of_the_region_is_accepted(region: str, domain: str) -> None:
    assert fact(lambda imds: imds.domain(region, deadline()), domain.encode() + b"\n") == domain


FOREIGN = [
    b"example.com",
    b"amazonaws.com.example.com",
    b"",
    b"amazonaws.com\nx",
    b"amazonaws",
    b"AMAZONAWS.COM",
    *(domain.encode() for domain in set(REGIONS.values())),
]


@pytest.mark.parametrize("body", FOREIGN)
@pytest.mark.parametrize(("region", "domain"), REGIONS.items())
def test_any_other_domain_is_refused(region: str, domain: str, body: bytes) -> None:
    if body == domain.encode():
        assert fact(lambda imds: imds.domain(region, deadline()), body) == domain
        return
    with pytest.raises(NotGranted) as caught:
        fact(lambda imds: imds.domain(region, deadline()), body)
    assert caught.value.reason is Reason.DOMAIN_UNKNOWN


def test_staples_that_are_listed_and_gone_or_named_oddly_are_passed_over() -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        if head.startswith(b"PUT"):
            peer.sendall(response(200, b"token"))
        elif b"signer-ocsp/GOOD " in head:
            peer.sendall(response(200, b"AAAA\nAAAA\n"))
        elif b"signer-ocsp " in head:
            peer.sendall(response(200, b"GOOD\nGONE\n../../up\nGOOD\n.\n..\n"))
        else:
            peer.sendall(response(404))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        assert imds.staples(deadline()) == [b"\0\0\0\0\0\0"]


@pytest.mark.parametrize(("listed", "accepted"), [(16, True), (17, False)])
def test_more_staples_than_are_read_are_refused_for_one_of_them_may_say_revoked(listed: int, accepted: bool) -> None:
    listing = "\n".join(f"S{number}" for number in range(listed)).encode()
    gets: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        gets.append(head)
        peer.sendall(response(200, listing if b"signer-ocsp " in head else b"AAAA"))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        if accepted:
            assert len(imds.staples(deadline())) == 16
        else:
            with pytest.raises(NotGranted) as caught:
                imds.staples(deadline())
            assert caught.value.reason is Reason.STAPLE_INVALID
    assert len(gets) == (18 if accepted else 2)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        (response(200, b"A" * 16384), True),
        (response(200, b"A" * 16385), False),
        (CHUNKED + b"4\r\nAAAA\r\n0\r\n\r\n", True),
        (CHUNKED + b"1\r\nA\r\n" * 4096 + b"0\r\n\r\n", False),
    ],
)
def test_a_staple_longer_than_is_read_is_not_passed_over(answer: bytes, accepted: bool) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        if b"signer-ocsp/LONG " in head:
            peer.sendall(answer)
        else:
            peer.sendall(response(200, b"LONG\nGOOD" if b"signer-ocsp " in head else b"AAAA"))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        if accepted:
            assert len(imds.staples(deadline())) == 2
        else:
            with pytest.raises(NotGranted) as caught:
                imds.staples(deadline())
            assert caught.value.reason is Reason.STAPLE_INVALID
            assert "signer-ocsp/LONG" in caught.value.detail


@pytest.mark.parametrize("answer", [response(500), b"nonsense\r\n\r\n"])
def test_a_staple_that_cannot_be_had_is_passed_over(answer: bytes) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        if b"signer-ocsp/ODD " in head:
            peer.sendall(answer)
            peer.shutdown(socket.SHUT_RDWR)
        else:
            peer.sendall(response(200, b"ODD\nGOOD" if b"signer-ocsp " in head else b"AAAA"))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        assert imds.staples(deadline()) == [b"\0\0\0"]


def test_a_connection_that_imds_closed_meanwhile_is_opened_anew() -> None:
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


def after(now: List[float], seconds: float) -> Deadline:
    """A deadline on a clock that only the test and time spent waiting move."""
    begun = time.monotonic()
    return Deadline(now[0] + seconds, lambda: now[0] + time.monotonic() - begun)


def test_a_silent_imds_is_not_waited_for_again_for_a_while() -> None:
    now = [0.0]
    state = ImdsState()
    with serving(hang) as endpoint, Imds(endpoint, 0.6, state) as imds, Imds(endpoint, 0.6, state) as another:
        with pytest.raises(NotGranted, match="within"):
            imds.active_keys("root", after(now, 3))
        for client, user in ((imds, "root"), (another, "nobody")):
            with pytest.raises(NotGranted, match="a moment ago"):
                client.active_keys(user, after(now, 3))
        now[0] = 6.0
        with pytest.raises(NotGranted, match="within"):
            imds.active_keys("root", after(now, 3))


def hanging_on(*paths: bytes) -> Talk:
    def talk(peer: socket.socket, head: bytes) -> None:
        if any(path in head for path in paths):
            time.sleep(3)
        else:
            peer.sendall(response(404 if head.startswith(b"GET") else 200, b"token"))

    return talk


def test_one_path_that_hangs_is_waited_for_no_more_and_the_others_are_asked() -> None:
    with serving(hanging_on(b"keys/root")) as endpoint, Imds(endpoint, 0.6) as imds:
        assert imds.active_keys("nobody", deadline()) is None
        for problem in ("within", "a moment ago"):
            with pytest.raises(NotGranted, match=problem):
                imds.active_keys("root", deadline())
        assert imds.active_keys("nobody", deadline()) is None


def test_a_request_that_the_decisions_end_cuts_short_is_remembered_if_it_had_waited_for_long() -> None:
    with serving(hanging_on(b"keys/root", b"keys/nobody")) as endpoint, Imds(endpoint, 2) as imds:
        assert imds.active_keys("games", deadline()) is None
        for user, seconds, remembered in (("root", 0.1, False), ("nobody", 1.2, True)):
            with pytest.raises(NotGranted, match="deadline-exceeded"):
                imds.active_keys(user, deadline(seconds))
            with pytest.raises(NotGranted, match="a moment ago" if remembered else "within"):
                imds.active_keys(user, deadline())


def test_kept_connections_that_die_do_not_make_imds_silent() -> None:
    dead: List[socket.socket] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        if peer in dead:
            time.sleep(3)
        else:
            peers.append(peer)
            peer.sendall(response(404 if head.startswith(b"GET") else 200, b"token"))

    peers: List[socket.socket] = []
    state = ImdsState()
    with serving(talk) as endpoint, Imds(endpoint, 1, state) as one, Imds(endpoint, 1, state) as another:
        for client in (one, another):
            assert client.active_keys("games", deadline()) is None
        dead += peers
        for client, user in ((one, "root"), (another, "nobody")):
            with pytest.raises(NotGranted, match="within"):
                client.active_keys(user, deadline())
        assert one.active_keys("games", deadline()) is None


def test_a_second_path_that_hangs_means_that_imds_is_silent() -> None:
    with serving(hanging_on(b"keys/first", b"keys/second")) as endpoint, Imds(endpoint, 0.6) as imds:
        assert imds.active_keys("nobody", deadline()) is None
        for user in ("first", "second"):
            with pytest.raises(NotGranted, match="within"):
                imds.active_keys(user, deadline())
        with pytest.raises(NotGranted, match="a moment ago"):
            imds.active_keys("nobody", deadline())


def test_a_connection_is_kept_for_a_moment_only() -> None:
    """One that was unused for long may have died without a sign."""
    peers: List[socket.socket] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        peers.append(peer)
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    now = [0.0]
    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        for now[0], connections in ((0.0, 1), (1.0, 1), (2.0, 1), (10.0, 2)):
            assert imds.instance_id(after(now, 3)) == "i-0123456789abcdef0"
            assert len(set(peers)) == connections


# A read has one request's time in all, whatever it takes: I5, an attempt is slowed by one second at most.


class Stepping:
    """A clock that stands still but for what the server makes pass; `heads` are the requests that came."""

    def __init__(self, talk: Callable[[Stepping, socket.socket, bytes], None]) -> None:
        self.now = 0.0
        self.heads: List[bytes] = []
        self._talk = talk

    def talk(self, peer: socket.socket, head: bytes) -> None:
        self.heads.append(head)
        self._talk(self, peer, head)

    def deadline(self) -> Deadline:
        return Deadline(self.now + 3, lambda: self.now)


def test_a_token_that_takes_the_whole_time_leaves_none_for_the_read_and_is_kept_for_the_next() -> None:
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


def test_a_token_that_is_refused_after_a_wait_is_not_replaced_in_a_time_of_its_own() -> None:
    def talk(stepping: Stepping, peer: socket.socket, head: bytes) -> None:
        stepping.now += 0.0 if head.startswith(b"PUT") else 1.0
        peer.sendall(response(200, b"token") if head.startswith(b"PUT") else response(401))

    stepping = Stepping(talk)
    with serving(stepping.talk) as endpoint, Imds(endpoint, 1.0) as imds:
        for problem in ("did not answer .* within 1 s", "a moment ago"):
            with pytest.raises(NotGranted, match=problem):
                imds.active_keys("root", stepping.deadline())
        assert [head[:3] for head in stepping.heads] == [b"PUT", b"GET"]


def test_a_kept_connection_that_fails_after_a_wait_leaves_the_next_one_what_is_left() -> None:
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


# What an answer may bring. Each of these is refused before all of it was taken in.

KIB = 1024


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


@pytest.mark.parametrize("name", [b"Set-Cookie", b"set-cookie2", b"SET-COOKIE"])
def test_cookies_are_neither_kept_nor_parsed(name: bytes) -> None:
    limit = Limit()
    answer = response(200, b"ok", name.decode() + ": a=b")
    with serving(lambda peer, head: peer.sendall(answer)) as endpoint, http_session(limit) as made:
        limit.begin(deadline(10), 100)
        got = made.get(endpoint, timeout=10)
        assert (got.content, list(got.cookies), list(made.cookies)) == (b"ok", [], [])


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
def test_an_answer_in_more_pieces_than_any_of_imds_is_refused(answer: bytes) -> None:
    with serving(answering(answer)) as endpoint:
        assert refused(endpoint, timeout=3).reason is Reason.IMDS_ERROR


@pytest.mark.parametrize("length", [64 * KIB, 64 * KIB + 1, 512 * KIB, 512 * KIB + 1])
def test_a_body_has_512_kib_at_the_most(length: int) -> None:
    with serving(answering(response(200, b"x" * length))) as endpoint, Imds(endpoint, 3) as imds:
        if length <= 512 * KIB:
            assert imds.active_keys("root", deadline(10)) == b"x" * length
        else:
            with pytest.raises(NotGranted, match="longer than 524288 bytes"):
                imds.active_keys("root", deadline(10))


def test_an_answer_in_single_bytes_is_refused_before_it_costs_much() -> None:
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


@pytest.mark.parametrize(
    "header",
    ["Content-Type: text/plain; charset", "Content-Type: ;;=", "Location: http://[", "Set-Cookie: \xff", "Date: never"],
)
def test_headers_that_are_not_needed_are_not_read(header: str) -> None:
    with serving(answering(response(200, b"ok", header))) as endpoint, Imds(endpoint, 3) as imds:
        assert imds.active_keys("root", deadline(10)) == b"ok"


def test_whatever_a_library_raises_over_an_answer_is_an_imds_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AttributeError("'bool' object has no attribute 'strip'")

    with serving(answering(response(200, b"ok"))) as endpoint, Imds(endpoint, 3) as imds:
        monkeypatch.setattr(requests.Session, "request", fail)
        with pytest.raises(NotGranted, match="api/token cannot be read: AttributeError") as caught:
            imds.active_keys("root", deadline())
    assert caught.value.reason is Reason.IMDS_ERROR


def test_only_a_few_large_answers_are_taken_in_at_one_time() -> None:
    state = ImdsState()
    with serving(answering(response(200, b"x" * 100 * KIB))) as endpoint, Imds(endpoint, 3, state) as imds:
        assert imds.active_keys("root", deadline(10)) == b"x" * 100 * KIB
        for _ in range(8):
            assert state.session.large_bodies.acquire(blocking=False)
        assert not state.session.large_bodies.acquire(blocking=False)
        with Imds(endpoint, 0.3, state) as another, pytest.raises(NotGranted, match="did not answer"):
            another.active_keys("root", deadline())


# What is about the signer is kept for a moment, so that a slow IMDS is read to the end by the decisions together.


def counting(paths: List[bytes]) -> Talk:
    def talk(peer: socket.socket, head: bytes) -> None:
        path = head.split(b" ")[1]
        paths.append(path)
        body = {b"region": b"eu-west-1", b"domain": b"amazonaws.com", b"signer-ocsp": b"one two"}
        peer.sendall(response(200, body.get(path.rpartition(b"/")[2], b"dHdv")))

    return talk


def test_what_is_about_the_signer_is_read_once_in_ten_seconds_and_again_when_it_is_forgotten() -> None:
    paths: List[bytes] = []
    now = [0.0]

    def read(client: Imds) -> int:
        paths.clear()
        client.signer_chain(after(now, 3))
        client.domain(client.region(after(now, 3)), after(now, 3))
        assert client.staples(after(now, 3)) == [b"two"] * 2
        return len(paths)

    state = ImdsState()
    with serving(counting(paths)) as endpoint, Imds(endpoint, 3, state) as one, Imds(endpoint, 3, state) as other:
        assert read(one) == 7  # a token, and one request for each
        assert [read(one), read(other)] == [0, 0]
        other.forget()
        assert read(one) == 6
        now[0] += 9.0
        assert read(one) == 0
        now[0] += 10.0
        assert read(one) == 6


def test_keys_and_instance_are_read_each_time() -> None:
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    with serving(talk) as endpoint, Imds(endpoint, 3) as imds:
        for _ in range(2):
            imds.active_keys("root", deadline())
            imds.instance_id(deadline())
    assert len(heads) == 5


def test_a_staple_that_hangs_is_passed_over_and_named() -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET") and b"signer-ocsp/hangs" in head:
            time.sleep(2)
        elif b"signer-ocsp " in head:
            peer.sendall(response(200, b"hangs good"))
        else:
            peer.sendall(response(200, b"dHdv"))

    with serving(talk) as endpoint, Imds(endpoint, 0.6) as imds:
        assert imds.staples(deadline(20)) == [b"two"]
        assert imds.unread_staple is not None
        assert imds.unread_staple.reason is Reason.IMDS_UNREACHABLE
        assert "signer-ocsp/hangs" in imds.unread_staple.detail


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


@pytest.mark.parametrize("location", [b"http://[::1", b"/\xff\xfe", b"http://x:99999/"])
def test_a_redirect_that_makes_no_sense_is_an_error_like_any(location: bytes) -> None:
    answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    with serving(answering(answer)) as endpoint:
        assert refused(endpoint).reason is Reason.IMDS_ERROR
