# SPDX-License-Identifier: Apache-2.0
"""How long the client waits for the daemon. No test here asserts a time."""

from __future__ import annotations

import os
import socket
import time
from typing import List

import pytest

from eic_sshd import client
from eic_sshd.client import NoAnswerInTime, ask, parse
from eic_sshd.daemon import protocol
from testbed.unix_server import Talk, listening, receive_request
from tests.unit.invocations import invocation

WHOLE = protocol.encode_answer(["ssh-ed25519 AAAA"])


@pytest.fixture
def path(tmp_path: object) -> str:
    return f"{tmp_path}/sock"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> List[float]:
    """The pauses of the client, in seconds. None of them takes any time."""
    made: List[float] = []

    class Time:
        monotonic = staticmethod(time.monotonic)
        sleep = staticmethod(made.append)

    monkeypatch.setattr(client, "time", Time)
    return made


def answering(*pieces: bytes, pause: float = 0.0) -> Talk:
    """Says `pieces`, with a pause before the last one."""

    def talk(peer: socket.socket) -> None:
        receive_request(peer)
        for at, piece in enumerate(pieces):
            time.sleep(pause if at == len(pieces) - 1 else 0.05)
            peer.sendall(piece)

    return talk


def silent(*pieces: bytes) -> Talk:
    """Sends `pieces`, then nothing until the client closes the connection."""

    def talk(peer: socket.socket) -> None:
        receive_request(peer)
        for piece in pieces:
            peer.sendall(piece)
        peer.settimeout(60)
        peer.recv(1)

    return talk


def test_client_does_not_load_typing() -> None:
    assert client.TYPE_CHECKING is False


def test_time_to_reach_the_daemon_leaves_time_to_decide_in_process() -> None:
    assert client.ACCEPT_TIMEOUT == 2.0


@pytest.mark.parametrize("chained", [True, False])
def test_client_runs_the_chained_command_as_the_answer_says(path: str, chained: bool) -> None:
    thread = listening(
        path, answering(protocol.encode_accepted(5) + protocol.encode_answer(["ssh-ed25519 AAAA"], chained))
    )
    assert ask(invocation(path)) == (b"ssh-ed25519 AAAA\n", chained)
    thread.join(10)


@pytest.mark.parametrize("kind", [b"X", b"k", b"W"])
def test_answer_of_an_unknown_kind_is_not_an_answer(path: str, kind: bytes) -> None:
    thread = listening(path, answering(protocol.encode_accepted(5) + kind + WHOLE[1:]))
    assert ask(invocation(path)) == (None, False)
    thread.join(10)


def test_answer_of_more_than_16_mib_is_complete_only_with_all_its_bytes(path: str) -> None:
    length = 0x01000002
    said = protocol.encode_accepted(30) + b"K" + length.to_bytes(4, "big") + b"x\n"
    thread = listening(path, answering(said))
    assert ask(invocation(path)) == (None, False)
    thread.join(10)


@pytest.mark.parametrize(
    ("split", "end"), [(0, 8), (1, 8), (3, 8), (4, 8), (5, 8), (7, 8), (1, 5), (2, 5), (3, 5), (4, 5)]
)
def test_client_waits_as_long_as_announced_for_an_answer_in_pieces(
    path: str, split: int, end: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ACCEPT_TIMEOUT", 0.5)
    said = protocol.encode_accepted(60) + WHOLE
    pieces = [piece for piece in (said[:split], said[split:end]) if piece]
    thread = listening(path, answering(*pieces, said[end:], pause=0.8))
    assert ask(invocation(path))[0] == b"ssh-ed25519 AAAA\n"
    thread.join(10)


@pytest.mark.parametrize("more", [b"", b"K", WHOLE[:-1]])
def test_client_stops_waiting_when_the_announced_time_is_over(path: str, more: bytes) -> None:
    """Where it is waited for without end, this test does not end either."""
    thread = listening(path, silent(protocol.encode_accepted(0.3) + more))
    with pytest.raises(NoAnswerInTime):
        ask(invocation(path))
    thread.join(10)


def test_client_stops_waiting_for_a_daemon_that_does_not_accept(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ACCEPT_TIMEOUT", 0.3)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        waiting: List[socket.socket] = []
        try:
            for _ in range(16):  # until there is no room for another
                one = socket.socket(socket.AF_UNIX)
                waiting.append(one)
                one.setblocking(False)
                if one.connect_ex(path):
                    break
            assert ask(invocation(path)) == (None, False)
        finally:
            for one in waiting:
                one.close()


def test_first_request_has_no_milliseconds_since_sshd_asked(path: str) -> None:
    requests: List[bytes] = []

    def talk(peer: socket.socket) -> None:
        requests.append(receive_request(peer))
        peer.sendall(protocol.DECLINED)

    thread = listening(path, talk)
    # Unless this machine is too busy to begin at once.
    for _ in range(20):
        begun = time.monotonic()
        ask(invocation(path, begun=begun))
        thread.join(10)
        if requests[-1].count(b"\0", 4) == 5:
            return
        thread = listening(f"{path}{len(requests)}", talk)
        path = f"{path}{len(requests)}"
    raise AssertionError("each request said how long sshd has waited")


def test_client_pauses_before_it_asks_again(path: str, pauses: List[float]) -> None:
    thread = listening(path, answering(b""), answering(protocol.encode_accepted(5) + WHOLE))
    assert ask(invocation(path))[0] == b"ssh-ed25519 AAAA\n"
    thread.join(10)
    assert pauses == [0.1]


@pytest.mark.parametrize("arguments", [["--other", "x", "root"], ["--other=x", "root"], ["--=x", "root"], ["--config"]])
def test_unknown_option_is_a_wrong_argument(arguments: List[str]) -> None:
    assert parse(arguments, 0.0, False) is None


def test_option_value_may_be_the_last_argument_but_one() -> None:
    for arguments in (["--config=/c", "root"], ["--config", "/c", "root"]):
        parsed = parse(arguments, 0.0, False)
        assert parsed is not None
        assert (parsed.socket_path, parsed.user, parsed.config_file) == (client.SOCKET, "root", "/c")


def test_daemon_that_dies_before_accepting_is_asked_twice(path: str) -> None:
    thread = listening(path, answering(b""), answering(b""), answering(protocol.encode_accepted(5) + WHOLE))
    assert ask(invocation(path)) == (None, False)
    thread.join(0.3)
    assert thread.is_alive()


def test_client_does_not_wait_where_nothing_listens(path: str, pauses: List[float]) -> None:
    assert ask(invocation(path)) == (None, False)
    assert pauses == []


def test_answer_is_written_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    client.write(b"ssh-ed25519 AAAA\n")
    assert capfd.readouterr() == ("ssh-ed25519 AAAA\n", "")


def test_closed_standard_output_is_not_an_error() -> None:
    read, write = os.pipe()
    os.close(read)
    client.write(b"ssh-ed25519 AAAA\n", write)
    os.close(write)


@pytest.mark.parametrize(
    ("waited", "last"), [(0.0, b""), (0.05, b""), (0.06, b"\x0060"), (1.2345, b"\x001234"), (3.0, b"\x003000")]
)
def test_request_has_the_time_that_has_passed_if_it_is_long(waited: float, last: bytes) -> None:
    pid = b"%d" % os.getppid()
    made = invocation("none", "root", None, config_file=None)
    assert client.encode_request(made, waited) == b"2\x00root\x00\x00" + pid + b"\x00\x00" + last
    made = invocation("none", "r\udcff", "f", config_file="/c")
    assert client.encode_request(made, waited) == b"2\x00r\xff\x00f\x00" + pid + b"\x00/c\x00" + last


@pytest.mark.parametrize(
    ("token", "sent"),
    [("0", b"0"), ("1000", b"1000"), ("", b""), ("-1", b""), ("1x", b""), ("\u0661", b""), ("1" * 11, b"")],
)
def test_request_has_the_uid_that_sshd_passed_if_it_is_one(token: str, sent: bytes) -> None:
    made = parse(["--token", f"U={token}", "root"], 0.0, False)
    assert made is not None
    assert client.encode_request(made, 0.0).rpartition(b"\0")[2] == sent


def test_daemon_that_declines_after_it_accepted_is_not_asked_again(path: str, pauses: List[float]) -> None:
    thread = listening(path, answering(protocol.encode_accepted(5) + protocol.DECLINED))
    assert ask(invocation(path)) == (None, False)
    thread.join(10)
    assert pauses == []
