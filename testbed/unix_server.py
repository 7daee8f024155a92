# SPDX-License-Identifier: Apache-2.0
"""Something at a Unix socket in the authorizer's place, whose every byte the test decides."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Callable

from eic_sshd.daemon import protocol

Talk = Callable[[socket.socket], None]
"""What is done with one connection."""


def listening(path: str, *talks: Talk) -> threading.Thread:
    """Listens at `path` for one connection for each of `talks`, and talks."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)

    def serve() -> None:
        with listener:
            for talk in talks:
                peer, _ = listener.accept()
                with peer, contextlib.suppress(ConnectionError):  # the front door may have gone
                    talk(peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def said(peer: socket.socket) -> bytes:
    """The whole request of the front door, or what it said before it went."""
    data = b""
    more = b"..."
    while more and not protocol.complete(data):
        more = peer.recv(4096)
        data += more
    return data
