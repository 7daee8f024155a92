# SPDX-License-Identifier: Apache-2.0
"""The bounded transport: HTTP by http.client, with a limit on each exchange.

A time-out of http.client is for each wait, so that a peer which sends a byte now and then could hold a caller for ever;
and it reads as many bytes as a chunk claims to have. Here the socket itself enforces the end of the request's time and
the number of bytes. This module also decides what an exception of http.client means.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
from typing import Any, Dict, Iterator, Optional, cast
from urllib.parse import urlsplit

from ..model.deadline import Deadline

# Bytes that a status line and headers may take.
_MAX_HEAD_BYTES = 16 * 1024
# Lines that one answer may have outside of its body: those of its head, and one for each chunk of a chunked body.
_MAX_LINES = 512
# Pieces in which an answer may come: 256 KiB in packets of 1500 bytes are fewer than 200.
_MAX_PIECES = 4096
# Bytes that may frame a chunked body.
_MAX_FRAMING_BYTES = 8 * 1024
# What http.client raises when an exchange fails.
EXCHANGE_ERRORS = (http.client.HTTPException, OSError)


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


class HttpClient(http.client.HTTPConnection):
    """Sends requests to `endpoint` (http://ADDRESS[:PORT]) over one kept-alive connection, within `limit`.

    There is no redirect, no proxy and no cookie, and nothing of the environment counts. One request at a time.
    """

    def __init__(self, endpoint: str, limit: Limit) -> None:
        """Raises ValueError for anything but http."""
        parts = urlsplit(endpoint)
        if parts.scheme != "http":
            raise ValueError(f"{endpoint}: only http:// is possible")
        super().__init__(parts.hostname or "", parts.port or http.client.HTTP_PORT)
        self._limit = limit

    def connect(self) -> None:
        """Open the connection within the time that is left. http.client calls this when it needs one."""
        self._limit.connecting, self._limit.connected = True, False
        # As bytes, the address needs no module for internationalized names (1 ms).
        address = (cast(str, self.host.encode()), self.port)
        plain = socket.create_connection(address, self._limit.require_time())
        self._limit.connected = True
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = LimitedSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self.sock.limit = self._limit

    @contextlib.contextmanager
    def exchange(self, method: str, path: str, headers: Dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request for `path`, its body not read yet. Raises one of EXCHANGE_ERRORS.

        The connection is kept for the next request if the whole body was read.
        """
        self._limit.require_time()
        if self.sock is not None and _has_input(self.sock):
            self.close()  # the peer has closed it, or sent what no request asked for
        try:
            self.request(method, path, headers={"User-Agent": "eic-sshd", **headers})
            with self.getresponse() as answer:
                self._limit.begin_body()
                yield answer
                is_whole = answer.isclosed()
        except BaseException:
            self.close()
            raise
        if not is_whole:
            self.close()


def _has_input(connection: socket.socket) -> bool:
    """Whether something can be read from `connection` without a wait: bytes, or its end."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def protocol_error(error: BaseException) -> Optional[str]:
    """What is wrong with the answer; None if none came."""
    if isinstance(error, TooLong):
        return "is longer than any answer of IMDS"
    if isinstance(error, http.client.RemoteDisconnected):
        return "is missing: the connection was closed"
    if isinstance(error, http.client.HTTPException):
        return "is not HTTP"
    return None


def os_error_text(error: BaseException) -> str:
    """The kernel's words for why the exchange failed; the name of the exception where there are none."""
    return getattr(error, "strerror", None) or type(error).__name__
