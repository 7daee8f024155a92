# SPDX-License-Identifier: Apache-2.0
"""Calls of clients that are gone when their request is read."""

from __future__ import annotations

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from ..fleet import Fleet
from ..fleet_world import REGION
from ..vanishing import events, send_and_close
from .calls import STS

_CALLS = 10


def test_a_client_that_closes_at_once_does_not_hide_its_address(world: Fleet) -> None:
    signed = AWSRequest("GET", f"https://localhost/?Action=GetCallerIdentity&{STS}")
    SigV4QueryAuth(world.credentials("admin"), "sts", REGION).add_auth(signed)
    target = str(signed.url).partition("localhost")[2]
    for _ in range(_CALLS):
        send_and_close(world, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    found = events(world, "GetCallerIdentity", _CALLS)
    assert [event["sourceIPAddress"] for event in found] == ["127.0.0.1"] * _CALLS
