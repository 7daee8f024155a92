# SPDX-License-Identifier: Apache-2.0
"""A requests session fit for IMDS: nothing from the environment, and limits that no peer can stretch.

The timeout of requests is per read, so a peer that sends a byte now and then holds a caller for ever; and http.client
reads on for as long as a chunk's length (or a lie about it) says. Here the socket itself knows when the request must be
over and how much it may bring.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any, List, Optional

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from ..model.deadline import Deadline

# Bytes that a status line and headers may take.
_MAX_HEAD_BYTES = 16 * 1024
# Lines that one answer may have outside of its body: those of its head, and one for each chunk of a chunked body.
_MAX_LINES = 512
# Pieces in which an answer may come: 256 KiB in packets of 1500 bytes are fewer than 200.
_MAX_PIECES = 4096
# What is read of a head once http.client has read it. requests would parse some of the others, and one that makes no
# sense raises anything.
_HEADERS = frozenset({"content-length", "content-encoding"})
# Bytes that may frame a chunked body.
_MAX_FRAMING_BYTES = 8 * 1024
# What requests raises when an exchange fails: requests.RequestException is an OSError.
EXCHANGE_ERRORS = (urllib3.exceptions.HTTPError, OSError)


class TooLong(OSError):
    """The peer sent more than the request under way may bring."""


class Limit:
    """The bounds of the request under way; one for each session, since a session makes one request at a time.

    Before the first `begin` there is no time, so nothing is sent.
    """

    # Set by `begin`: what may still come, and how long the body may be.
    _bytes: int
    _lines: int
    _pieces: int
    _body: int

    def __init__(self) -> None:
        self.deadline: Optional[Deadline] = None
        self.connecting = False  # whether the request under way had to open a connection
        self.connected = True  # and whether it has one

    def begin(self, deadline: Deadline, body: int) -> None:
        """The next request begins; it must be over by `deadline` and bring no more than `body` bytes and a head."""
        self.deadline = deadline
        self.connecting, self.connected = False, True
        self._body = body
        self._bytes, self._lines, self._pieces = _MAX_HEAD_BYTES, _MAX_LINES, _MAX_PIECES

    def begin_body(self) -> None:
        """The head was read: what comes now is the body. One byte more than it may have tells that it is too long."""
        self._bytes = self._body + _MAX_FRAMING_BYTES + 1

    def room(self, wanted: int) -> int:
        """How many of `wanted` bytes may be received now; one at least. Raises TooLong."""
        self._pieces -= 1
        if self._bytes <= 0 or self._pieces < 0:
            raise TooLong("the answer is longer, or in more pieces, than any that IMDS gives")
        return min(wanted, self._bytes)

    def count(self, received: int) -> int:
        """`received` bytes, counted."""
        self._bytes -= received
        return received

    def count_line(self) -> None:
        """Count a line outside of a body. Raises TooLong."""
        self._lines -= 1
        if self._lines < 0:
            raise TooLong("the answer has more lines than any that IMDS gives")

    def remaining(self) -> float:
        """Seconds that the next wait may take. Raises socket.timeout if none are left."""
        left = self.left()
        if left <= 0:
            raise socket.timeout("the request's time is over")
        return left

    def left(self) -> float:
        """Seconds that are left; zero or less when none are."""
        return self.deadline.remaining() if self.deadline else 0.0


class _LimitedReader(io.BufferedReader):
    """What http.client reads an answer from: it takes lines for the head and for the chunks of a body only."""

    limit: Limit

    def readline(self, *size: Optional[int]) -> bytes:
        self.limit.count_line()
        return super().readline(*size)


class LimitedSocket(socket.socket):
    """A socket whose every wait ends in time, and which takes no more bytes than it may."""

    limit: Limit

    def recv_into(self, buffer: Any, *_: Any) -> int:
        # Once the time is over, what has come already is still taken: on a busy machine it may be ours that was slow.
        self.settimeout(max(self.limit.left(), 0))
        try:
            return self.limit.count(super().recv_into(buffer, self.limit.room(len(buffer))))
        except BlockingIOError:
            raise socket.timeout("the request's time is over") from None

    def sendall(self, *args: Any) -> None:
        self.settimeout(self.limit.remaining())
        super().sendall(*args)

    def makefile(self, *_: Any, **__: Any) -> Any:
        """http.client makes one for each answer, to read bytes from."""
        reader = _LimitedReader(super().makefile("rb", buffering=0))
        reader.limit = self.limit
        return reader


def _no_redirect(resp: requests.Response) -> Optional[str]:  # noqa: ARG001 - the shape that requests calls
    return None


def http_session(limit: Limit) -> requests.Session:
    """A session that speaks plain HTTP, to where it is told and nowhere else, within `limit`."""

    class Connection(HTTPConnection):
        def connect(self) -> None:
            limit.connecting, limit.connected = True, False
            super().connect()  # type: ignore[no-untyped-call,unused-ignore] # urllib3 1.26 has no annotations
            limit.connected = True
            plain = self.sock
            self.sock = LimitedSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
            self.sock.limit = limit

        def getresponse(self, *args: Any, **kwargs: Any) -> Any:
            answer = super().getresponse(*args, **kwargs)
            limit.begin_body()
            # urllib3 2 wraps http.client's answer, with a copy of its head; requests looks for cookies in the original.
            for head in (getattr(answer, "_original_response", answer).msg, answer.headers):
                for name in {name for name in head if name.lower() not in _HEADERS}:
                    del head[name]
            return answer

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    made = requests.Session()
    made.trust_env = False
    made.headers.clear()
    made.headers.update({"Accept-Encoding": "identity", "User-Agent": "eic-sshd"})
    adapter = HTTPAdapter()  # requests retries nothing by default
    adapter.poolmanager.pool_classes_by_scheme = {"http": Pool}
    # Even a redirect that is not followed would be read whole, decompressed and parsed.
    made.get_redirect_target = _no_redirect  # type: ignore[method-assign]
    made.adapters.clear()
    made.mount("http://", adapter)
    return made


def _causes(error: BaseException) -> List[BaseException]:
    """`error` and all that led to it; urllib3 also keeps causes among an error's arguments."""
    found = [error]
    for one in found:  # grows while it is walked
        linked = (one.__cause__, one.__context__, *one.args)
        found += [other for other in linked if isinstance(other, BaseException) and other not in found]
    return found


def is_too_long(error: BaseException) -> bool:
    return any(isinstance(cause, TooLong) for cause in _causes(error))


def protocol_error(error: BaseException) -> Optional[str]:
    """What is wrong with an answer that came, or None if none did."""
    causes = _causes(error)
    if is_too_long(error):
        return "is longer than any that IMDS gives"
    if any(isinstance(cause, http.client.RemoteDisconnected) for cause in causes):
        return "was a closed connection"
    no_http = (http.client.HTTPException, urllib3.exceptions.InvalidHeader, urllib3.exceptions.HeaderParsingError)
    if any(isinstance(cause, no_http) for cause in causes):
        return "was not HTTP"
    return None


def os_error_text(error: BaseException) -> str:
    texts = (cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror)
    return next(texts, type(error).__name__)
