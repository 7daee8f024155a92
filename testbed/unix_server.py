# SPDX-License-Identifier: Apache-2.0
"""A server at a Unix socket in place of the resident daemon; the test decides every byte that it sends."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Callable

from eic_sshd.daemon import protocol

Talk = Callable[[socket.socket], None]
"""Handles one connection."""


def listening(path: str, *talks: Talk) -> threading.Thread:
    """Listen at `path` and accept one connection for each of `talks`, which handles it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)

    def serve() -> None:
        with listener:
            for talk in talks:
                peer, _ = listener.accept()
                with peer, contextlib.suppress(ConnectionError):  # the client may have closed the connection
                    talk(peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def receive_request(peer: socket.socket) -> bytes:
    """The client's whole request, or what it sent before it closed the connection."""
    data = b""
    more = b"..."
    while more and not protocol.complete(data):
        more = peer.recv(4096)
        data += more
    return data
