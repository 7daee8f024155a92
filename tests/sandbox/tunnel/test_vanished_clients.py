# SPDX-License-Identifier: Apache-2.0
"""Handshakes of clients that are gone when they are read."""

from __future__ import annotations

from ..fleet import Fleet
from ..vanishing import events, send_and_close
from .handshake import UPGRADE

_TUNNELS = 10


def test_a_client_that_closes_at_once_does_not_hide_its_tunnel_from_the_trail(world: Fleet) -> None:
    for _ in range(_TUNNELS):
        host, _, target = world.url().partition("//")[2].partition("/")
        headers = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE)
        send_and_close(world, f"GET /{target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode())
    found = events(world, "OpenTunnel", _TUNNELS)
    assert {event.get("errorCode", "ClientDisconnected") for event in found} == {"ClientDisconnected"}
    assert [event["sourceIPAddress"] for event in found] == ["127.0.0.1"] * _TUNNELS
    assert [event["userIdentity"]["userName"] for event in found] == ["admin"] * _TUNNELS
