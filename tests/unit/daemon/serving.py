# SPDX-License-Identifier: Apache-2.0
"""A server for a test to connect to, and what a client sends it and gets from it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Callable, Container, List, Optional

from eic_sshd.daemon import protocol
from eic_sshd.daemon.server import Handler, Service
from eic_sshd.invocation import Invocation


def request(user: str, waited: Optional[int] = None) -> bytes:
    fields = [b"1", user.encode(), b"f", b"1", b"", *([] if waited is None else [b"%d" % waited])]
    text = b"\0".join(fields)
    return len(text).to_bytes(4, "big") + text


def answer(path: str, *words: bytes) -> bytes:
    """Sends these bytes to the server at `path`; returns all that it answers until it closes the connection."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(30)
        peer.connect(path)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for each in words:
                peer.sendall(each)
        said = b""
        while True:
            try:
                more = peer.recv(4096)
            except ConnectionResetError:
                return said
            if not more:
                return said
            said += more


Beat = Callable[[], None]


def nothing() -> None:
    pass


def serve(
    path: str,
    handler: Handler,
    talk: Callable[[], None],
    allowed: Optional[Container[int]] = None,
    listener: Optional[socket.socket] = None,
    watchdog_ping: Beat = nothing,
    after_poll: Beat = nothing,
) -> None:
    """Serve at `path` until `talk`, in a thread of its own, has come to its end; raises what it raised."""
    raised: List[BaseException] = []

    def run() -> None:
        try:
            talk()
        except BaseException as error:
            raised.append(error)
        finally:
            service.stop()
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as peer:
                peer.connect(path)  # ends the poll, as the signal would that stops the daemon

    with listener or socket.socket(socket.AF_UNIX) as listener:
        if not listener.getsockname():
            listener.bind(path)
            listener.listen(64)
        service = Service(listener, lambda: handler, lambda: 0.0, watchdog_ping, after_poll, allowed)
        thread = threading.Thread(target=run)
        thread.start()
        service.run()
        thread.join()
    if raised:
        raise raised[0]


def lines(invocation: Invocation) -> bytes:
    return protocol.encode_answer([invocation.user])


NOTHING_CACHED = Handler(lines, lambda invocation: None, 3.0, None)
WHOLE = protocol.encode_accepted(3.25) + protocol.encode_answer(["root"])
