# SPDX-License-Identifier: Apache-2.0
"""IMDSv2 over one kept-alive connection: the token, one retry on a new connection, the time of a request, errors.

EC2 User Guide, "Use IMDSv2": a PUT gives a token, every GET carries it; 401 means that it is missing or has expired,
403 that IMDS is turned off. `bounded` limits what one exchange may take; `client` knows the paths.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
from typing import Dict, Optional

from ..model.deadline import Deadline
from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from . import bounded
from .availability import TOKEN_PATH, Availability
from .bounded import Limit

_TOKEN_TTL = 21600  # seconds, the longest that IMDS grants
_TOKEN_MARGIN = 300  # seconds before its end at which a token is no longer used
_TOKEN = rb"[!-~]+"
_TOKEN_LIMIT = 1024  # bytes
# Seconds for which an unused connection is kept. A new one costs less than a millisecond; one that died without a sign
# costs a login its time-out, and looks like an IMDS that does not answer.
_CONNECTION_LIFETIME = 2.0
# Bytes of an answer beyond which only a few are received at one time.
_LARGE_BODY = 64 * 1024
_MAX_LARGE_BODIES = 8


class AnswerTooLong(NotGranted):
    """IMDS sent more than the limit of the path."""


class SessionState:
    """What the sessions with one IMDS share: the token, its availability, and room for large answers."""

    def __init__(self) -> None:
        self.token: Optional[str] = None
        self.token_until = 0.0
        self.availability = Availability()
        self.large_bodies = threading.BoundedSemaphore(_MAX_LARGE_BODIES)


class _Request(Value):
    """`limit` is the most bytes that the body of the answer may have."""

    method: str
    path: str
    headers: Dict[str, str]
    limit: int


class _Response(Value):
    status: int
    body: bytes


class _ReadTime(Value):
    """One read began at `since`, must be over by `until`, and is part of a decision with `deadline`."""

    since: float
    until: Deadline
    deadline: Deadline


class Session:
    """Reads paths of the IMDS at `endpoint`, each within `request_timeout` seconds; one thread uses it."""

    def __init__(self, endpoint: str, request_timeout: float, state: SessionState) -> None:
        self._endpoint = endpoint
        self._request_timeout = request_timeout
        self._state = state
        self._kept_until = 0.0
        self._limit = Limit()
        self._http = bounded.HttpClient(endpoint, self._limit)

    def close(self) -> None:
        """Close the connection; the next read opens another."""
        self._http.close()

    def get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        """The body at `path` (below latest/meta-data/), of `limit` bytes at the most; None for 404.

        The time of one request covers all that the read needs: a token and a second connection too.
        Raises NotGranted: imds-unreachable, imds-disabled, imds-error or deadline-exceeded.
        """
        read = _ReadTime(deadline.clock(), deadline.capped(self._request_timeout), deadline)
        response = self._get_once(path, limit, read)
        if response.status == 401:
            self._state.token = None
            response = self._get_once(path, limit, read)
        if response.status == 200:
            return response.body
        if response.status == 404:
            return None
        raise _refusal(path, response.status)

    def _get_once(self, path: str, limit: int, read: _ReadTime) -> _Response:
        clock = read.deadline.clock
        token = self._state.token
        if token is None or clock() >= self._state.token_until:
            token = self._fresh_token(read)
            self._state.token_until = clock() + _TOKEN_TTL - _TOKEN_MARGIN
            self._state.token = token
        return self._send(_Request("GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": token}, limit), read)

    def _fresh_token(self, read: _ReadTime) -> str:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_TTL)}
        response = self._send(_Request("PUT", TOKEN_PATH, headers, _TOKEN_LIMIT), read)
        if response.status != 200:
            raise _refusal(TOKEN_PATH, response.status)
        if not re.fullmatch(_TOKEN, response.body):
            raise NotGranted(Reason.IMDS_ERROR, "the answer to api/token is not a token")
        return response.body.decode("ascii")

    def _send(self, request: _Request, read: _ReadTime) -> _Response:
        self._require_available(request.path, read.deadline.clock())
        try:
            return self._exchange(request, read)
        except bounded.EXCHANGE_ERRORS as error:
            # IMDS may close a connection that was kept for the next request; then the request goes over a new one.
            if self._limit.connecting:
                raise self._failure(request.path, error, read) from error
        try:
            return self._exchange(request, read)
        except bounded.EXCHANGE_ERRORS as error:
            raise self._failure(request.path, error, read) from error

    def _require_available(self, path: str, now: float) -> None:
        """Raises NotGranted if a request for `path` is not to be sent yet."""
        seconds = self._state.availability.retry_after(path, now)
        if seconds > 0:
            pause = f"no request is sent for {seconds:.1f} s"
            raise NotGranted(Reason.IMDS_UNREACHABLE, f"{self._endpoint} did not answer a moment ago; {pause}")

    def _exchange(self, request: _Request, read: _ReadTime) -> _Response:
        try:
            return self._request(request, read)
        except (NotGranted, ImportError, *bounded.EXCHANGE_ERRORS):
            raise
        except Exception as error:  # the libraries raise any exception over a malformed answer
            problem = f"the answer to {request.path} cannot be read: {type(error).__name__}: {error}"
            raise NotGranted(Reason.IMDS_ERROR, problem) from error

    def _request(self, request: _Request, read: _ReadTime) -> _Response:
        clock = read.deadline.clock
        if clock() >= self._kept_until:
            self.close()
        self._limit.begin(read.until, request.limit)
        with self._http.exchange(request.method, f"/latest/{request.path}", request.headers) as answer:
            response = _Response(answer.status, self._body(answer, request))
        self._kept_until = clock() + _CONNECTION_LIFETIME
        return response

    def _body(self, answer: http.client.HTTPResponse, request: _Request) -> bytes:
        """The body as it came, whole and within the request's limit."""
        path, limit = request.path, request.limit
        body = answer.read(min(limit, _LARGE_BODY) + 1)
        if len(body) > _LARGE_BODY:
            if not self._state.large_bodies.acquire(timeout=self._limit.require_time()):
                raise socket.timeout("too many large answers are being read")
            try:
                body += answer.read(limit + 1 - len(body))
            finally:
                self._state.large_bodies.release()
        if len(body) > limit:
            raise AnswerTooLong(Reason.IMDS_ERROR, f"the answer to {path} is longer than {limit} bytes")
        length = answer.headers.get("Content-Length")
        if length is not None and length != str(len(body)):
            raise NotGranted(Reason.IMDS_ERROR, f"the answer to {path} is incomplete")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise NotGranted(Reason.IMDS_ERROR, f"the answer to {path} is compressed, which was not requested")
        return body

    def _failure(self, path: str, error: Exception, read: _ReadTime) -> NotGranted:
        problem = bounded.protocol_error(error)
        if problem is not None:
            refusal = AnswerTooLong if isinstance(error, bounded.TooLong) else NotGranted
            return refusal(Reason.IMDS_ERROR, f"the answer to {path} {problem}")
        clock = read.deadline.clock
        time_is_over = read.until.remaining() <= 0
        if time_is_over and clock() - read.since >= self._request_timeout / 2:
            self._state.availability.record_timeout(path, clock(), self._limit)
        if read.deadline.remaining() <= 0:
            return NotGranted(Reason.DEADLINE_EXCEEDED, f"the decision's time ended during the request for {path}")
        if time_is_over:
            wait = f"within {self._request_timeout:g} s"
            return NotGranted(Reason.IMDS_UNREACHABLE, f"{self._endpoint} did not answer {path} {wait}")
        problem = f"the request to {self._endpoint} for {path} failed: {bounded.os_error_text(error)}"
        return NotGranted(Reason.IMDS_UNREACHABLE, problem)


def _refusal(path: str, status: int) -> NotGranted:
    if status == 403:
        return NotGranted(Reason.IMDS_DISABLED, f"{path} answered 403: IMDS is turned off")
    return NotGranted(Reason.IMDS_ERROR, f"{path} answered {status}")
