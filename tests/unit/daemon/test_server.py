# SPDX-License-Identifier: Apache-2.0
"""Who is answered at the socket, and by which threads."""

from __future__ import annotations

import os
import threading
import time
from typing import Callable, Container, Dict, List, Optional

import pytest

from eic_sshd.daemon import protocol
from eic_sshd.daemon.server import WORKERS
from eic_sshd.invocation import Invocation

from .serving import NOTHING_CACHED, WHOLE, answer, request, serve


@pytest.mark.parametrize(
    ("allowed", "said"),
    [({os.geteuid()}, WHOLE), ({os.geteuid() + 1}, protocol.DECLINED), (set(), protocol.DECLINED), (None, WHOLE)],
)
def test_only_an_allowed_uid_is_answered(path: str, allowed: Optional[Container[int]], said: bytes) -> None:
    heard: List[bytes] = []
    serve(path, NOTHING_CACHED, lambda: heard.append(answer(path, request("root"))), allowed)
    assert heard == [said]


def test_time_of_a_request_runs_from_when_sshd_asked(path: str) -> None:
    asked_at: Dict[str, float] = {}
    begun = time.monotonic()

    def decide(invocation: Invocation) -> bytes:
        asked_at[invocation.user] = time.monotonic() - invocation.begun
        assert invocation.begun >= begun - int(invocation.user[1:]) / 1000
        return protocol.encode_answer([])

    heard: List[bytes] = []
    handler = NOTHING_CACHED._replace(decide=decide)
    serve(path, handler, lambda: heard.extend(answer(path, request(f"u{ms}", ms)) for ms in (0, 2000, 99999)))
    assert [said[:5] for said in heard] == [
        protocol.encode_accepted(3.25),
        protocol.encode_accepted(1.25),
        protocol.encode_accepted(0),
    ]
    assert asked_at["u2000"] >= 2.0
    assert asked_at["u99999"] >= 99.999


def test_cached_answer_is_given_while_every_worker_waits(path: str) -> None:
    leave = threading.Event()

    def decide(_: Invocation) -> bytes:
        assert leave.wait(60)
        return protocol.encode_answer([])

    def cached(invocation: Invocation) -> Optional[Callable[[], bytes]]:
        return (lambda: protocol.encode_answer(["cached"])) if invocation.user == "root" else None

    def talk() -> None:
        others = [threading.Thread(target=answer, args=(path, request("other"))) for _ in range(2 * WORKERS)]
        for other in others:
            other.start()
        try:
            for _ in range(3):
                assert answer(path, request("root")).endswith(protocol.encode_answer(["cached"]))
            assert all(other.is_alive() for other in others)
        finally:
            leave.set()
            for other in others:
                other.join(60)

    serve(path, NOTHING_CACHED._replace(decide=decide, cached=cached), talk)
