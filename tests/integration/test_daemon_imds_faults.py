# SPDX-License-Identifier: Apache-2.0
"""The resident daemon while IMDS is silent, slow or in error."""

from __future__ import annotations

import socket

import pytest

from .door import CALLER, STARTING, USER, Door, bare
from .service import Service, ask, asking, reads


def test_daemon_does_not_wait_again_for_a_silent_imds(service: Service, door: Door) -> None:
    door.sandbox.instance.faults.set("hang")
    first = ask(door)
    assert (first.reason, first.records[0]["elapsed_us"] > 900_000) == ("imds-unreachable", True)
    reads(door)
    for _ in range(3):
        later = ask(door)
        assert (later.reason, later.records[0]["elapsed_us"] < 500_000) == ("imds-unreachable", True)
    assert reads(door) == 0


@pytest.mark.parametrize("fault", ["error-500", "drop", "forbidden"])
def test_daemon_grants_a_key_as_soon_as_imds_recovers_from_an_error(
    service: Service, door: Door, ed25519: str, fault: str
) -> None:
    door.sandbox.instance.push(USER, ed25519, CALLER)
    door.sandbox.instance.faults.set(fault)
    assert ask(door, ed25519).printed == ""
    door.sandbox.instance.faults.clear()
    assert ask(door, ed25519).printed == bare(ed25519)


def test_daemon_asks_an_imds_that_refuses_connections_each_time(door: Door, ed25519: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        door.configure(endpoint="http://127.0.0.1:%d" % unused.getsockname()[1])
        service = Service(door)
        try:
            for _ in range(3):
                answer = ask(door)
                assert answer.reason == "imds-unreachable"
                assert "refused" in answer.records[0]["message"]
        finally:
            service.stop()


def test_slow_imds_for_one_user_does_not_delay_another_user(service: Service, door: Door, ed25519: str) -> None:
    ask(door)  # warm: the token is there
    door.sandbox.instance.push("nobody", ed25519, CALLER)
    door.sandbox.instance.faults.set("hang", path=f"active-keys/{USER}")
    with asking(door, ed25519) as slow:
        other = ask(door, ed25519, user="nobody")
        assert other.printed == bare(ed25519)
        assert other.seconds < STARTING
        assert slow.result(timeout=10).records[-1]["reason"] == "imds-unreachable"
