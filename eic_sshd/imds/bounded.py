# SPDX-License-Identifier: Apache-2.0
"""The bounded transport: HTTP by requests, with nothing of the environment, and with a limit on each exchange.

The timeout of requests is for each read, so that a peer which sends a byte now and then could hold a caller for ever;
and http.client reads as many bytes as a chunk claims to have. Here the socket itself enforces the end of the request's
time and the number of bytes. This module also decides what an exception of requests or urllib3 means.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any, Dict, List, Optional, Type

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from ..model.deadline import Deadline

# Bytes that a status line and headers may take.
_MAX_HEAD_BYTES = 16 * 1024
# Lines that one answer may have outside of its body: those of its head, and one for each chunk of a chunked body.
_MAX_LINES = 512
# Pieces in which an answer may come: 256 KiB in packets of 1500 bytes are fewer than 200.
_MAX_PIECES = 4096
# The headers that are kept. requests would parse some of the others, and raise any exception over a malformed one.
_HEADERS = frozenset({"content-length", "content-encoding"})
# An answer may be compressed unless the request says otherwise (RFC 9110 section 12.5.3).
_REQUEST_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "eic-sshd"}
# Bytes that may frame a chunked body.
_MAX_FRAMING_BYTES = 8 * 1024
# What requests raises when an exchange fails: requests.RequestException is an OSError.
EXCHANGE_ERRORS = (urllib3.exceptions.HTTPError, OSError)


class TooLong(OSError):
    """The peer sent more than the current request allows."""


class Limit:
    """The bounds of the current request; one for each session, since a session makes one request at a time.

    Before the first `begin` there is no time, so nothing is sent.
    """

    # Set by `begin`: what may still be received, and the most bytes of the body.
    _bytes: int
    _lines: int
    _pieces: int
    _body: int

    def __init__(self) -> None:
        self.deadline: Optional[Deadline] = None
        self.connecting = False  # whether the current request had to open a connection
        self.connected = True  # whether it has one

    def begin(self, deadline: Deadline, body: int) -> None:
        """The next request begins: it ends by `deadline`; its answer has a head and a body of at most `body` bytes."""
        self.deadline = deadline
        self.connecting, self.connected = False, True
        self._body = body
        self._bytes, self._lines, self._pieces = _MAX_HEAD_BYTES, _MAX_LINES, _MAX_PIECES

    def begin_body(self) -> None:
        """The head was read; the body follows. One byte more than its limit may come, to show that it is too long."""
        self._bytes = self._body + _MAX_FRAMING_BYTES + 1

    def allowed(self, wanted: int) -> int:
        """How many of `wanted` bytes may be received now: at least one. Raises TooLong."""
        self._pieces -= 1
        if self._bytes <= 0 or self._pieces < 0:
            raise TooLong("the answer is longer, or in more pieces, than any answer of IMDS")
        return min(wanted, self._bytes)

    def count(self, received: int) -> int:
        """Count `received` bytes, and return their number."""
        self._bytes -= received
        return received

    def count_line(self) -> None:
        """Count a line outside of a body. Raises TooLong."""
        self._lines -= 1
        if self._lines < 0:
            raise TooLong("the answer has more lines than any answer of IMDS")

    def require_time(self) -> float:
        """Seconds that the next wait may take. Raises socket.timeout if none are left."""
        seconds = self.remaining()
        if seconds <= 0:
            raise socket.timeout("the request's time is over")
        return seconds

    def remaining(self) -> float:
        """Seconds left; zero or less once the request's time is over."""
        return self.deadline.remaining() if self.deadline else 0.0


class _LimitedReader(io.BufferedReader):
    """What http.client reads an answer from. It reads lines only for the head and for the chunks of a body."""

    limit: Limit

    def readline(self, *size: Optional[int]) -> bytes:
        self.limit.count_line()
        return super().readline(*size)


class LimitedSocket(socket.socket):
    """A socket whose every wait ends within the limit's time, and which receives no more bytes than it allows."""

    limit: Limit

    def recv_into(self, buffer: Any, *_: Any) -> int:
        """Receive as much as may come now. Raises socket.timeout, TooLong."""
        # Once the time is over, what has arrived is still received: on a busy machine this process may be the slow one.
        self.settimeout(max(self.limit.remaining(), 0))
        try:
            return self.limit.count(super().recv_into(buffer, self.limit.allowed(len(buffer))))
        except BlockingIOError:
            raise socket.timeout("the request's time is over") from None

    def sendall(self, *args: Any) -> None:
        """Send all within the time that is left. Raises socket.timeout."""
        self.settimeout(self.limit.require_time())
        super().sendall(*args)

    def makefile(self, *_: Any, **__: Any) -> Any:
        """http.client makes one for each answer, to read bytes from."""
        reader = _LimitedReader(super().makefile("rb", buffering=0))
        reader.limit = self.limit
        return reader


class HttpClient:
    """Sends requests over plain HTTP, within `limit`, by one kept-alive connection.

    It uses an adapter of requests without a session: no redirect, no proxy, no .netrc, nothing of the environment.
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._adapter = HTTPAdapter()  # requests retries nothing by default
        self._adapter.poolmanager.pool_classes_by_scheme = {"http": _pool_class(limit)}

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._adapter.close()  # type: ignore[no-untyped-call,unused-ignore] # as the stubs of requests have it

    def request(self, method: str, url: str, headers: Dict[str, str]) -> requests.Response:
        """The answer, its body not read yet. Raises one of EXCHANGE_ERRORS."""
        if not url.startswith("http://"):
            raise requests.exceptions.InvalidSchema(f"{url}: only http:// is possible")
        request = requests.PreparedRequest()  # filled in here: the paths need no quoting, and this is the warm path
        request.method, request.url = method, url
        request.headers = CaseInsensitiveDict({**_REQUEST_HEADERS, **headers})
        return self._adapter.send(request, timeout=self._limit.require_time())


def _pool_class(limit: Limit) -> Type[HTTPConnectionPool]:
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

    return Pool


def _causes(error: BaseException) -> List[BaseException]:
    """`error` and all that led to it; urllib3 also keeps causes among an error's arguments."""
    found = [error]
    for one in found:  # grows while it is walked
        linked = (one.__cause__, one.__context__, *one.args)
        found += [other for other in linked if isinstance(other, BaseException) and other not in found]
    return found


def is_too_long(error: BaseException) -> bool:
    """Whether the exchange failed because the peer sent too much."""
    return any(isinstance(cause, TooLong) for cause in _causes(error))


def protocol_error(error: BaseException) -> Optional[str]:
    """What is wrong with the answer; None if none came."""
    causes = _causes(error)
    if is_too_long(error):
        return "is longer than any answer of IMDS"
    if any(isinstance(cause, http.client.RemoteDisconnected) for cause in causes):
        return "is missing: the connection was closed"
    no_http = (http.client.HTTPException, urllib3.exceptions.InvalidHeader, urllib3.exceptions.HeaderParsingError)
    if any(isinstance(cause, no_http) for cause in causes):
        return "is not HTTP"
    return None


def os_error_text(error: BaseException) -> str:
    """The kernel's words for why the exchange failed; the name of the exception where there are none."""
    texts = (cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror)
    return next(texts, type(error).__name__)
