# SPDX-License-Identifier: Apache-2.0
"""A TCP server on loopback; the test decides every byte that it sends."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Callable, Iterator, List

Talk = Callable[[socket.socket, bytes], None]
"""What the server does with one request's head; it may send anything, nothing, slowly, or close."""


@contextlib.contextmanager
def serving(talk: Talk, limit: int = 50) -> Iterator[str]:
    """Serve at most `limit` requests; gives the endpoint's URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    threads: List[threading.Thread] = []

    def converse(peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            peer.settimeout(10)
            for _ in range(limit):
                head = b""
                while b"\r\n\r\n" not in head:
                    more = peer.recv(4096)
                    if not more:
                        return
                    head += more
                talk(peer, head)

    def accept() -> None:
        for _ in range(limit):
            try:
                peer, _address = listener.accept()
            except OSError:
                return
            if stop.is_set():
                peer.close()
                return
            thread = threading.Thread(target=converse, args=(peer,), daemon=True)
            thread.start()
            threads.append(thread)

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield "http://127.0.0.1:%d" % listener.getsockname()[1]
    finally:
        stop.set()
        with contextlib.suppress(OSError), socket.create_connection(listener.getsockname(), timeout=1):
            pass
        listener.close()
        acceptor.join(timeout=2)


def response(status: int, body: bytes = b"", *headers: str) -> bytes:
    """An HTTP response, whole."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
