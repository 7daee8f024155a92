# SPDX-License-Identifier: Apache-2.0
"""Which paths, or whether all of them, are not requested for a while after a request timed out."""

from __future__ import annotations

import socket
import time
from typing import List

import pytest

from eic_sshd.imds.availability import TOKEN_PATH, Availability
from eic_sshd.imds.bounded import Limit
from eic_sshd.imds.client import Imds, ImdsState
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason
from testbed.raw_http_server import Talk, response, serving

from .conversations import KEYS, SOON, Clock, after, deadline, hang, having


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
def test_one_path_or_all_are_backed_off_from_after_timeouts(
    timed_out: List[tuple[str, float, Limit]], all_of_it: bool
) -> None:
    availability = Availability()
    for path, moment, one in timed_out:
        availability.record_timeout(path, 1000.0 + moment, one)
        assert availability.retry_after(path, 1000.0 + moment) == 5.0
    assert (availability.retry_after("another", 1000.0 + timed_out[-1][1]) > 0) is all_of_it


def test_no_request_is_sent_for_five_seconds_after_a_timeout() -> None:
    state, clock = ImdsState(), Clock()
    state.session.availability.record_timeout(TOKEN_PATH, clock(), limit())
    with serving(having({KEYS: b"x"})) as endpoint, Imds(endpoint, SOON, state) as imds:
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
        (1.5, 1.0, Reason.IMDS_UNREACHABLE, True),  # half a second of the decision's time is left
    ],
)
def test_a_wait_of_half_a_requests_time_counts_as_a_timeout(
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


def test_other_clients_do_not_wait_for_an_imds_that_timed_out() -> None:
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


def test_a_path_that_timed_out_is_not_requested_while_others_are() -> None:
    with serving(hanging_on(b"keys/root")) as endpoint, Imds(endpoint, 0.6) as imds:
        assert imds.active_keys("nobody", deadline()) is None
        for problem in ("within", "a moment ago"):
            with pytest.raises(NotGranted, match=problem):
                imds.active_keys("root", deadline())
        assert imds.active_keys("nobody", deadline()) is None


def test_a_second_path_that_times_out_backs_off_from_all() -> None:
    with serving(hanging_on(b"keys/first", b"keys/second")) as endpoint, Imds(endpoint, 0.6) as imds:
        assert imds.active_keys("nobody", deadline()) is None
        for user in ("first", "second"):
            with pytest.raises(NotGranted, match="within"):
                imds.active_keys(user, deadline())
        with pytest.raises(NotGranted, match="a moment ago"):
            imds.active_keys("nobody", deadline())


def test_dead_kept_connections_do_not_back_off_from_all_paths() -> None:
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


def test_a_request_cut_short_by_the_decisions_end_counts_as_a_timeout_after_half_its_time() -> None:
    with serving(hanging_on(b"keys/root", b"keys/nobody")) as endpoint, Imds(endpoint, 2) as imds:
        assert imds.active_keys("games", deadline()) is None
        for user, seconds, remembered in (("root", 0.1, False), ("nobody", 1.2, True)):
            with pytest.raises(NotGranted, match="deadline-exceeded"):
                imds.active_keys(user, deadline(seconds))
            with pytest.raises(NotGranted, match="a moment ago" if remembered else "within"):
                imds.active_keys(user, deadline())
