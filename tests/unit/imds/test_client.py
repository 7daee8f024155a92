# SPDX-License-Identifier: Apache-2.0
"""What is read of IMDS: the paths, the longest answer of each, and the check of what each gives."""

from __future__ import annotations

import base64
import socket
import time
from typing import Callable, Dict, List

import pytest

from eic_sshd.imds.client import Imds, ImdsState, SignerMaterial
from eic_sshd.model.reasons import NotGranted, Reason
from testbed.raw_http_server import Talk, response, serving
from tests.regions import REGIONS

from .conversations import CHAIN, KEYS, SOON, STAPLES, after, answering, deadline, having

Read = Callable[[Imds], object]

READS: Dict[str, Read] = {
    "instance-id": lambda imds: imds.instance_id(deadline()),
    CHAIN: lambda imds: imds.signer_chain(deadline()),
    STAPLES: lambda imds: imds.staples(deadline()),
    KEYS: lambda imds: imds.active_keys("root", deadline()),
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
def test_a_long_answer_is_read_only_until_it_is_too_long(path: str, limit: int) -> None:
    talk = having({path: b"x" * (limit + 100_000)})
    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        READS[path](imds)
    assert f"longer than {limit} bytes" in caught.value.detail


@pytest.mark.parametrize("path", ["instance-id", CHAIN])
def test_404_for_a_required_path_is_an_error_that_names_it(path: str) -> None:
    with serving(having({})) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        READS[path](imds)
    assert (caught.value.reason, caught.value.detail) == (Reason.IMDS_ERROR, f"{path} answered 404")


def test_404_means_that_there_are_no_keys() -> None:
    with serving(answering(response(404, b"not found"))) as endpoint, Imds(endpoint, 1) as imds:
        assert imds.active_keys("root", deadline()) is None


def test_keys_and_instance_id_are_read_each_time() -> None:
    heads: List[bytes] = []

    def talk(peer: socket.socket, head: bytes) -> None:
        heads.append(head)
        peer.sendall(response(200, b"i-0123456789abcdef0"))

    with serving(talk) as endpoint, Imds(endpoint, 3) as imds:
        for _ in range(2):
            imds.active_keys("root", deadline())
            imds.instance_id(deadline())
    assert len(heads) == 5


def test_a_client_is_closed_when_its_with_block_ends() -> None:
    closed: List[Imds] = []

    class Closing(Imds):
        def close(self) -> None:
            closed.append(self)
            super().close()

    with Closing("http://127.0.0.1:9", SOON) as imds:
        assert closed == []
    assert closed == [imds]


# Instance id, region and domain.


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
def test_a_malformed_instance_id_is_an_error(body: bytes) -> None:
    with pytest.raises(NotGranted) as caught:
        fact(lambda imds: imds.instance_id(deadline()), body)
    assert caught.value.reason is Reason.IMDS_ERROR


@pytest.mark.parametrize(("digits", "is_one"), [(7, False), (8, True), (32, True), (33, False)])
def test_an_instance_id_has_8_to_32_digits(digits: int, is_one: bool) -> None:
    with serving(having({"instance-id": b"i-" + b"0" * digits})) as endpoint, Imds(endpoint, SOON) as imds:
        if is_one:
            assert imds.instance_id(deadline()) == "i-" + "0" * digits
        else:
            with pytest.raises(NotGranted, match="instance-id is"):
                imds.instance_id(deadline())


@pytest.mark.parametrize("body", [b"", b"us-west-2.example.com", b"us-west", b"us_west_2", b"..", b"us-west-2\nx"])
def test_a_malformed_region_is_an_error(body: bytes) -> None:
    with pytest.raises(NotGranted) as caught:
        fact(lambda imds: imds.region(deadline()), body)
    assert caught.value.reason is Reason.IMDS_ERROR


ZONES = [
    ("us-west-2a", True), ("us-west-2-lax", True), ("us-west-2-lax-1a", True), ("us-west-2-abcdefgh", True),
    ("us-west-2-a-b-c-d", True),
    ("us-west-2", False), ("us-west-2-", False), ("us-west-2ab", False), ("us-west-2-abcdefghi", False),
    ("us-west-2-a-b-c-d-e", False),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "is_one"), ZONES)
def test_the_region_is_taken_from_the_zone_where_imds_gives_no_region(zone: str, is_one: bool) -> None:
    with serving(having({"placement/availability-zone": zone.encode()})) as endpoint, Imds(endpoint, SOON) as imds:
        if is_one:
            assert imds.region(deadline()) == "us-west-2"
        else:
            with pytest.raises(NotGranted, match="availability-zone is"):
                imds.region(deadline())


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
    *(domain.encode() for domain in sorted(set(REGIONS.values()))),
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


# Staples.


def test_staples_that_are_gone_or_have_malformed_names_are_skipped() -> None:
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


@pytest.mark.parametrize(
    ("name", "is_read"),
    [("a", True), ("A" * 128, True), ("A" * 129, False), ("a/b", False), ("..", False), ("a%2e", False), (".a", False)],
)
def test_only_staples_with_plain_names_are_requested(name: str, is_read: bool) -> None:
    asked: List[str] = []
    with serving(having({STAPLES: name.encode()}, asked)) as endpoint, Imds(endpoint, SOON) as imds:
        assert imds.staples(deadline()) == []
    assert asked == [STAPLES, *([f"{STAPLES}/{name}"] if is_read else [])]


@pytest.mark.parametrize(("listed", "accepted"), [(16, True), (17, False)])
def test_more_than_16_staples_are_refused_since_one_may_revoke_the_signer(listed: int, accepted: bool) -> None:
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
def test_a_staple_that_is_too_long_is_refused_and_not_skipped(answer: bytes, accepted: bool) -> None:
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


def test_a_staple_that_is_not_base64_is_empty() -> None:
    text = b"!" + base64.b64encode(b"a staple")
    with serving(having({STAPLES: b"A", f"{STAPLES}/A": text})) as endpoint, Imds(endpoint, SOON) as imds:
        assert imds.staples(deadline()) == [b""]


@pytest.mark.parametrize("answer", [response(500), b"nonsense\r\n\r\n"])
def test_a_staple_with_a_bad_answer_is_skipped(answer: bytes) -> None:
    def talk(peer: socket.socket, head: bytes) -> None:
        if b"signer-ocsp/ODD " in head:
            peer.sendall(answer)
            peer.shutdown(socket.SHUT_RDWR)
        else:
            peer.sendall(response(200, b"ODD\nGOOD" if b"signer-ocsp " in head else b"AAAA"))

    with serving(talk) as endpoint, Imds(endpoint, 1) as imds:
        assert imds.staples(deadline()) == [b"\0\0\0"]


def test_a_staple_that_times_out_is_skipped_and_named() -> None:
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


def test_the_first_unread_staple_is_the_one_that_is_named() -> None:
    talk = having({STAPLES: b"A\nB"}, statuses={f"{STAPLES}/A": 500, f"{STAPLES}/B": 503})
    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds:
        assert imds.staples(deadline()) == []
        assert imds.unread_staple is not None
        assert imds.unread_staple.detail == f"{STAPLES}/A answered 500"


def test_a_403_for_a_staple_is_a_refusal_and_not_an_unread_staple() -> None:
    talk = having({STAPLES: b"A"}, statuses={f"{STAPLES}/A": 403})
    with serving(talk) as endpoint, Imds(endpoint, SOON) as imds, pytest.raises(NotGranted) as caught:
        imds.staples(deadline())
    assert caught.value.reason is Reason.IMDS_DISABLED


# What was just read about the signer serves the next decision.


def counting(paths: List[bytes]) -> Talk:
    def talk(peer: socket.socket, head: bytes) -> None:
        path = head.split(b" ")[1]
        paths.append(path)
        body = {b"region": b"eu-west-1", b"domain": b"amazonaws.com", b"signer-ocsp": b"one two"}
        peer.sendall(response(200, body.get(path.rpartition(b"/")[2], b"dHdv")))

    return talk


def test_signer_material_is_read_again_after_ten_seconds_or_after_forget() -> None:
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


def test_signer_material_is_kept_for_ten_seconds() -> None:
    material = SignerMaterial()
    material.store("a", b"x", 1000.0)
    assert material.body("a", 1009.5) == (b"x",)
    assert material.body("a", 1010.0) is None
    assert material.body("b", 1000.0) is None


@pytest.mark.parametrize(("later", "kept"), [(9.5, 2), (10.0, 1), (11.0, 1)])
def test_signer_material_that_is_too_old_is_dropped(later: float, kept: int) -> None:
    material = SignerMaterial()
    material.store("a", b"x", 1000.0)
    material.store("b", b"x", 1000.0 + later)
    assert len(material._bodies) == kept
