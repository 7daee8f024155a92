# SPDX-License-Identifier: Apache-2.0
"""A requests session fit for IMDS: nothing from the environment, and limits that no peer can stretch.

The timeout of requests is per read, so a peer that sends a byte now and then holds a caller for ever; and http.client
reads on for as long as a chunk's length (or a lie about it) says. Here the socket itself knows when the request must be
over and how much it may bring.
"""

from __future__ import annotations

import socket
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Optional

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from .deadline import Deadline

# Bytes that a status line and headers may take.
_HEAD = 16 * 1024


class TooLong(OSError):
    """The peer sent more than the request under way may bring."""


class Limit:
    """The bounds of the request under way; one for each session, since a session makes one request at a time."""

    def __init__(self) -> None:
        self.deadline: Optional[Deadline] = None
        self.connecting = False  # whether the request under way had to open a connection
        self.connected = True  # and whether it has one
        self._bytes = 0

    def begin(self, deadline: Deadline, body: int) -> None:
        """The next request begins; it must be over by `deadline` and bring no more than `body` bytes and a head."""
        self.deadline = deadline
        self.connecting, self.connected = False, True
        # What frames a chunked body counts too, and one byte more tells that a body is too long.
        self._bytes = _HEAD + 2 * body + 1

    def count(self, received: int) -> int:
        """`received`, counted. Raises TooLong."""
        self._bytes -= received
        if self._bytes < 0:
            raise TooLong("the answer is longer than any that IMDS gives")
        return received

    def remaining(self) -> float:
        """Seconds that the next wait may take. Raises socket.timeout if none are left."""
        left = self.left()
        if left <= 0:
            raise socket.timeout("the request's time is over")
        return left

    def left(self) -> float:
        """Seconds that are left; zero or less when none are."""
        return self.deadline.remaining() if self.deadline else 0.0


class _LimitedSocket(socket.socket):
    """A socket whose every wait ends in time, and which takes no more bytes than it may."""

    limit: Limit

    def recv_into(self, *args: Any) -> int:
        # Once the time is over, what has come already is still taken: on a busy machine it may be ours that was slow.
        self.settimeout(max(self.limit.left(), 0))
        try:
            return self.limit.count(super().recv_into(*args))
        except BlockingIOError:
            raise socket.timeout("the request's time is over") from None

    def sendall(self, *args: Any) -> None:
        self.settimeout(self.limit.remaining())
        super().sendall(*args)


def _nowhere(resp: requests.Response) -> Optional[str]:  # noqa: ARG001 - the shape that requests calls
    return None


def session(limit: Limit) -> requests.Session:
    """A session that speaks plain HTTP, to where it is told and nowhere else, within `limit`."""

    class Connection(HTTPConnection):
        def connect(self) -> None:
            limit.connecting, limit.connected = True, False
            super().connect()  # type: ignore[no-untyped-call,unused-ignore] # urllib3 1.26 has no annotations
            limit.connected = True
            plain = self.sock
            self.sock = _LimitedSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
            self.sock.limit = limit

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    made = requests.Session()
    made.trust_env = False
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    made.headers.clear()
    made.headers.update({"Accept-Encoding": "identity", "User-Agent": "eic-sshd"})
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
    adapter.poolmanager.pool_classes_by_scheme = {"http": Pool}
    # Even a redirect that is not followed would be read whole, decompressed and parsed.
    made.get_redirect_target = _nowhere  # type: ignore[method-assign]
    made.adapters.clear()
    made.mount("http://", adapter)
    return made
