# SPDX-License-Identifier: Apache-2.0
"""The resident daemon while IMDS is silent, slow or in error."""

from __future__ import annotations

import socket

import pytest

from .daemon import Daemon, ask, asking, reads
from .installed_client import CALLER, STARTING, USER, Client, bare


def test_daemon_does_not_wait_again_for_a_silent_imds(daemon: Daemon, client: Client) -> None:
    client.sandbox.instance.faults.set("hang")
    first = ask(client)
    assert (first.reason, first.records[0]["elapsed_us"] > 900_000) == ("imds-unreachable", True)
    reads(client)
    for _ in range(3):
        later = ask(client)
        assert (later.reason, later.records[0]["elapsed_us"] < 500_000) == ("imds-unreachable", True)
    assert reads(client) == 0


@pytest.mark.parametrize("fault", ["error-500", "drop", "forbidden"])
def test_daemon_grants_a_key_as_soon_as_imds_recovers_from_an_error(
    daemon: Daemon, client: Client, ed25519: str, fault: str
) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    client.sandbox.instance.faults.set(fault)
    assert ask(client, ed25519).printed == ""
    client.sandbox.instance.faults.clear()
    assert ask(client, ed25519).printed == bare(ed25519)


def test_daemon_asks_an_imds_that_refuses_connections_each_time(client: Client, ed25519: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client.configure(endpoint="http://127.0.0.1:%d" % unused.getsockname()[1])
        daemon = Daemon(client)
        try:
            for _ in range(3):
                answer = ask(client)
                assert answer.reason == "imds-unreachable"
                assert "refused" in answer.records[0]["message"]
        finally:
            daemon.stop()


def test_slow_imds_for_one_user_does_not_delay_another_user(daemon: Daemon, client: Client, ed25519: str) -> None:
    ask(client)  # warm: the token is there
    client.sandbox.instance.push("nobody", ed25519, CALLER)
    client.sandbox.instance.faults.set("hang", path=f"active-keys/{USER}")
    with asking(client, ed25519) as slow:
        other = ask(client, ed25519, user="nobody")
        assert other.printed == bare(ed25519)
        assert other.seconds < STARTING
        assert slow.result(timeout=10).records[-1]["reason"] == "imds-unreachable"
