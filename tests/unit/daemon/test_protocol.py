# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import socket
import time
from typing import List, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eic_sshd import client
from eic_sshd.client import NoAnswerInTime
from eic_sshd.daemon import protocol
from eic_sshd.invocation import Invocation
from testbed import processes, waiting
from testbed.unix_server import Talk, listening, receive_request
from tests.unit.invocations import invocation


def ask(path: str, talk: Talk, user: str = "root", fingerprint: Optional[str] = "f") -> Optional[bytes]:
    thread = listening(path, talk)
    try:
        return client.ask(invocation(path, user, fingerprint))[0]
    finally:
        thread.join(timeout=5)


@pytest.mark.parametrize(
    ("user", "fingerprint"),
    [("root", "SHA256:x"), ("root", None), ("\udcff\u00e9 x\n", "f\n"), ("u" * 4000, "f" * 3000)],
)
def test_request_of_the_client_is_parsed_by_the_daemon(path: str, user: str, fingerprint: Optional[str]) -> None:
    heard: List[Invocation] = []

    def talk(peer: socket.socket) -> None:
        heard.append(protocol.parse_request(receive_request(peer), 0.0))
        peer.sendall(protocol.encode_accepted(3.25) + protocol.encode_answer(["ssh-ed25519 AAAA", "ssh-rsa BBBB"]))

    assert ask(path, talk, user, fingerprint) == b"ssh-ed25519 AAAA\nssh-rsa BBBB\n"
    (parsed,) = heard
    assert (parsed.user, parsed.fingerprint, parsed.sshd_pid) == (user, fingerprint, os.getppid())
    assert parsed.config_file == "/c"


def test_answer_may_arrive_byte_by_byte(path: str) -> None:
    def talk(peer: socket.socket) -> None:
        receive_request(peer)
        for byte in protocol.encode_accepted(3) + protocol.encode_answer(["ssh-ed25519 AAAA"]):
            peer.sendall(bytes([byte]))

    assert ask(path, talk) == b"ssh-ed25519 AAAA\n"


def test_answer_without_keys_is_an_answer(path: str) -> None:
    assert (
        ask(
            path,
            lambda peer: peer.sendall(
                receive_request(peer)[:0] + protocol.encode_accepted(3) + protocol.encode_answer([])
            ),
        )
        == b""
    )


def test_client_gets_no_answer_where_nothing_listens(path: str) -> None:
    assert client.ask(invocation(path)) == (None, False)
    with open(path, "w"):
        pass
    assert client.ask(invocation(path)) == (None, False)
    assert client.ask(invocation("x" * 200)) == (None, False)


WHOLE = protocol.encode_accepted(3) + protocol.encode_answer(["ssh-ed25519 AAAA"])


def hang_up(peer: socket.socket) -> None:
    peer.recv(1)


def test_client_asks_again_after_a_connection_that_closed_without_an_answer(path: str) -> None:
    def talk(peer: socket.socket) -> None:
        receive_request(peer)
        peer.sendall(WHOLE)

    thread = listening(path, hang_up, talk)
    assert client.ask(invocation(path))[0] == b"ssh-ed25519 AAAA\n"
    thread.join(timeout=5)


@pytest.mark.parametrize("heard", [True, False])
def test_client_gets_no_answer_when_the_second_connection_closes_too(path: str, heard: bool) -> None:
    def hang_up_later(peer: socket.socket) -> None:
        if heard:
            receive_request(peer)

    thread = listening(path, hang_up_later, hang_up_later)
    assert client.ask(invocation(path)) == (None, False)
    thread.join(timeout=5)
    assert not thread.is_alive()


def answer_whole(peer: socket.socket) -> None:
    receive_request(peer)
    peer.sendall(WHOLE)


@pytest.mark.parametrize("spoken", [WHOLE[:5], WHOLE[:-1]], ids=["taken on", "half an answer"])
@pytest.mark.parametrize("deaths", [1, 2])
def test_client_asks_again_when_a_daemon_dies_after_accepting(path: str, spoken: bytes, deaths: int) -> None:
    def die(peer: socket.socket) -> None:
        receive_request(peer)
        peer.sendall(spoken)

    thread = listening(path, die, *[hang_up] * (deaths - 1), answer_whole)
    assert client.ask(invocation(path))[0] == b"ssh-ed25519 AAAA\n"
    thread.join(timeout=5)


def test_daemon_that_keeps_dying_is_asked_three_times(path: str) -> None:
    def die(peer: socket.socket) -> None:
        receive_request(peer)
        peer.sendall(WHOLE[:5])

    thread = listening(path, *[die] * 3, hang_up)
    assert client.ask(invocation(path)) == (None, False)
    thread.join(timeout=0.3)
    assert thread.is_alive()


def test_repeated_request_has_the_milliseconds_since_sshd_asked(path: str) -> None:
    heard: List[float] = []

    def hear(peer: socket.socket) -> None:
        heard.append(-protocol.parse_request(receive_request(peer), 0.0).begun)

    thread = listening(path, hear, hear)
    client.ask(invocation(path))
    thread.join(timeout=5)
    assert heard[0] < heard[1]
    assert heard[1] >= 0.1


def test_client_does_not_wait_after_the_time_to_reach_a_daemon(path: str) -> None:
    begun = time.monotonic() - client.ACCEPT_TIMEOUT
    thread = listening(path, hang_up)
    assert client.ask(invocation(path, begun=begun)) == (None, False)
    thread.join(timeout=5)


@pytest.mark.parametrize(
    ("uid", "may_answer"), [(0, True), (5, True), (6, True), (7, False), (1, False), (4, False), (2**32 - 1, False)]
)
def test_answer_must_come_from_root_this_user_or_the_folders_owner(uid: int, may_answer: bool) -> None:
    assert client.may_answer(uid, own=5, folder_owner=6) == may_answer


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_answer_of_another_user_is_not_accepted(path: str) -> None:
    """The folder is root's, the listener another user's: nothing that it says counts."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(65534)
            listener.listen(1)  # SO_PEERCRED gives who called listen(2)
            peer, _ = listener.accept()
            peer.settimeout(5)
            receive_request(peer)
            peer.sendall(WHOLE)
        finally:
            os._exit(0)
    try:
        answer: object = (None, False)
        waiting.until(lambda: processes.accepts_connections(path), "the other process listens")
        answer = client.ask(invocation(path))
    finally:
        listener.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert answer == (None, False)


def test_daemon_that_declines_is_not_asked_again(path: str) -> None:
    thread = listening(path, lambda peer: peer.sendall(receive_request(peer)[:0] + protocol.DECLINED), hang_up)
    assert client.ask(invocation(path)) == (None, False)
    thread.join(timeout=0.3)
    assert thread.is_alive()


@pytest.mark.parametrize("spoken", [WHOLE[:at] for at in range(1, len(WHOLE))] + [WHOLE + b"x", b"X" + WHOLE[1:]])
def test_incomplete_answer_is_not_an_answer(path: str, spoken: bytes) -> None:
    def talk(peer: socket.socket) -> None:
        receive_request(peer)
        peer.sendall(spoken)

    assert ask(path, talk) is None


def test_client_waits_for_an_answer_as_long_as_the_daemon_announced(path: str) -> None:
    def talk(peer: socket.socket) -> None:
        receive_request(peer)
        peer.sendall(protocol.encode_accepted(0.2))
        peer.settimeout(5)
        peer.recv(1)

    with pytest.raises(NoAnswerInTime, match="in time"):
        ask(path, talk)


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x05hello",
        b"\0\0\0\x0a1\0root\0\0x\0",
        b"\0\0\0\x081\0\0\0\x31\0\0\0",
        b"\0\0\0\x0a2\0root\0\0\x31\0"[:14],
        b"\0\0\0\x0c1\0root\0f\0-1\0"[:16],
        b"\0\0\0\x101\0root\0f\x001\0/c\0x"[:20],
        b"\0\0\0\x101\0root\0f\x001\0/c\0-1",
        b"\0\0\0\x101\0root\0f\x001\0/c\x00123456",
        b"\0\0\0\x101\0root\0f\x001\0/c\x001\x002",
    ],
)
def test_bytes_that_are_not_a_request_are_malformed(data: bytes) -> None:
    with pytest.raises(protocol.MalformedRequest):
        protocol.parse_request(data, 0.0)


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\0\0\x20\x01", b"\0\0\0\x01xy"])
def test_request_beyond_the_longest_is_malformed(data: bytes) -> None:
    with pytest.raises(protocol.MalformedRequest):
        protocol.complete(data)


@given(st.binary(max_size=300))
def test_request_parser_raises_only_malformed_request_for_any_bytes(data: bytes) -> None:
    try:
        if protocol.complete(data):
            protocol.parse_request(data, 0.0)
    except protocol.MalformedRequest:
        return


# The request and the answer, to the byte.


def request_of(*fields: bytes) -> bytes:
    text = b"\0".join(fields)
    return len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize(("length", "good"), [(protocol.LONGEST_REQUEST, True), (protocol.LONGEST_REQUEST + 1, False)])
def test_request_of_the_maximum_length_is_accepted(length: int, good: bool) -> None:
    data = length.to_bytes(4, "big") + b"x" * length
    assert protocol.LONGEST_REQUEST == 8192
    if good:
        assert protocol.complete(data)
        assert not protocol.complete(data[:-1])
    else:
        with pytest.raises(protocol.MalformedRequest):
            protocol.complete(data)


def test_request_is_complete_with_its_last_byte() -> None:
    data = request_of(b"1", b"u", b"", b"1", b"")
    for length in range(len(data)):
        assert protocol.complete(data[:length]) is False
    assert protocol.complete(data) is True


def test_request_with_bytes_behind_it_is_malformed() -> None:
    with pytest.raises(protocol.MalformedRequest):
        protocol.complete(request_of(b"1", b"u", b"", b"1", b"") + b"x")


@pytest.mark.parametrize(
    "fields",
    [
        [b"1", b"", b"f", b"1", b""],
        [b"1", b"u", b"f", b"", b""],
        [b"1", b"u", b"f", b"-1", b""],
        [b"1", b"u", b"f", b"1" * 11, b""],
        [b"3", b"u", b"f", b"1", b"", b""],
        [b"2", b"u", b"f", b"1", b""],
        [b"2", b"u", b"f", b"1", b"", b"-1"],
        [b"2", b"u", b"f", b"1", b"", b"1" * 11],
        [b"2", b"u", b"f", b"1", b"", b"", b""],
        [b"2", b"u", b"f", b"1", b"", b"", b"1", b""],
        [b"1", b"u", b"f", b"1"],
        [b"1", b"u", b"f", b"1", b"", b"", b""],
        [b"1", b"u", b"f", b"1", b"", b"-1"],
        [b"1", b"u", b"f", b"1", b"", b""],
        [b"1", b"u", b"f", b"1", b"", b"1" * 6],
    ],
)
def test_request_with_malformed_fields_is_malformed(fields: List[bytes]) -> None:
    with pytest.raises(protocol.MalformedRequest):
        protocol.parse_request(request_of(*fields), 0.0)


def test_fields_of_a_request_are_parsed_unchanged() -> None:
    parsed = protocol.parse_request(request_of(b"1", b"u", b"", b"1" * 10, b""), 7.0)
    assert (parsed.user, parsed.fingerprint, parsed.sshd_pid) == ("u", None, 1111111111)
    assert (parsed.config_file, parsed.begun, parsed.tokens) == (None, 7.0, {})
    late = protocol.parse_request(request_of(b"1", b"u", b"f", b"1", b"/c", b"99999"), 100.0)
    assert late.begun == pytest.approx(0.001)
    assert protocol.parse_request(request_of(b"1", b"u", b"f", b"1", b"/c", b"0"), 0.0).config_file == "/c"


@pytest.mark.parametrize(("uid", "expected"), [(b"", None), (b"0", 0), (b"1000", 1000), (b"4294967295", 4294967295)])
def test_uid_of_a_request_is_that_of_the_user(uid: bytes, expected: Optional[int]) -> None:
    parsed = protocol.parse_request(request_of(b"2", b"u", b"f", b"1", b"/c", uid, b"500"), 10.0)
    assert (parsed.uid, parsed.begun, parsed.config_file) == (expected, 9.5, "/c")


@pytest.mark.parametrize(("seconds", "milliseconds"), [(3.25, 3250), (0.0, 1), (-5.0, 1), (0.002, 2)])
def test_acceptance_has_the_wait_in_milliseconds(seconds: float, milliseconds: int) -> None:
    assert protocol.encode_accepted(seconds) == b"W" + milliseconds.to_bytes(4, "big")


def test_answer_shows_whether_the_client_runs_the_chained_command() -> None:
    assert protocol.encode_answer(["a", "b"]) == b"K\0\0\0\4a\nb\n"
    assert protocol.encode_answer([], chained=True) == b"C\0\0\0\0"
