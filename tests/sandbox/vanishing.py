# SPDX-License-Identifier: Apache-2.0
"""Clients that send a whole request over TLS and close at once, so that both arrive together."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import Any, Dict, List

from .fleet import ANSWER, Fleet


def send_and_close(world: Fleet, request: bytes) -> None:
    """The end of TLS is in the same segment as the request."""
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=world.ca)
    tls = context.wrap_bio(received, to_send, server_hostname="localhost")
    with socket.create_connection(world.tls, ANSWER) as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(to_send.read())
                received.write(connection.recv(65536))
        tls.write(request)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        connection.sendall(to_send.read())


def events(world: Fleet, name: str, count: int) -> List[Dict[str, Any]]:
    """The events with this name, once there are so many; fails after a while."""
    deadline = time.monotonic() + ANSWER
    while True:
        found = [event for event in world.events if event["eventName"] == name]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, f"{len(found)} of {count} events"
        time.sleep(0.01)
