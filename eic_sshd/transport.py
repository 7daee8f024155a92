# SPDX-License-Identifier: Apache-2.0
"""A requests session fit for IMDS: nothing from the environment, and a time limit that a slow peer can't stretch.

The timeout of requests is per read, so a peer that sends a byte now and then holds a caller for ever. Here the socket
itself knows when the request must be over and never waits longer than what is left.
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


class TimeLimit:
    """The deadline of the request under way; one for each session, since a session makes one request at a time."""

    def __init__(self) -> None:
        self.deadline: Optional[Deadline] = None
        self.connected = False  # whether the request under way had to open a connection

    def begin(self, deadline: Deadline) -> None:
        """The next request begins, and must be over by `deadline`."""
        self.deadline = deadline
        self.connected = False

    def remaining(self) -> float:
        """Seconds that the next wait may take. Raises TimeoutError if none are left."""
        left = self.deadline.remaining() if self.deadline else 0.0
        if left <= 0:
            raise socket.timeout("the request's time is over")
        return left


class _LimitedSocket(socket.socket):
    """A socket whose every wait ends by the time limit."""

    limit: TimeLimit

    def recv_into(self, *args: Any) -> int:
        self.settimeout(self.limit.remaining())
        return super().recv_into(*args)

    def sendall(self, *args: Any) -> None:
        self.settimeout(self.limit.remaining())
        super().sendall(*args)


def session(limit: TimeLimit) -> requests.Session:
    """A session that speaks plain HTTP, to where it is told and nowhere else, within `limit`."""

    class Connection(HTTPConnection):
        def connect(self) -> None:
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
    made.adapters.clear()
    made.mount("http://", adapter)
    return made
