# SPDX-License-Identifier: Apache-2.0
"""The instance metadata service, version 2, as far as EC2 Instance Connect needs it.

EC2 User Guide, "Use IMDSv2": a PUT gives a token, every GET carries it; 401 means that it is missing or has expired,
403 that IMDS is turned off. Every answer is bounded in size and time, and no redirect is followed.
"""

from __future__ import annotations

import base64
import http.client
import re
import socket
import threading
from typing import Dict, List, NamedTuple, Optional, Tuple

import requests
import urllib3

from ..model import partition
from ..model.deadline import Deadline
from ..model.reasons import NotGranted, Reason
from .bounded import Limit, TooLong, session

_TOKEN_TTL = 21600  # seconds, the longest that IMDS grants
_TOKEN_MARGIN = 300  # seconds before its end at which a token is no longer used
_TOKEN = rb"[!-~]+"
_INSTANCE_ID = r"i-[0-9a-f]{8,32}"
# A zone may be local or wavelength: us-west-2-lax-1a, us-east-1-wl1-bos-wlz-1.
_ZONE = rf"(?P<region>{partition.REGION})([a-z]|(-[a-z0-9]{{1,8}}){{1,4}})"
_STAPLE_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"

_TOKEN_PATH = "api/token"  # noqa: S105 - a path
# Seconds for which an IMDS that let a request time out is not waited for again.
_BACKOFF = 5.0
# Seconds for which an unused connection is kept. Another costs less than a millisecond; one that died without a sign
# costs a login its time-out, and passes for an IMDS that is silent.
_KEPT = 2.0
# What requests raises when an exchange fails: requests.RequestException is an OSError.
_FAILURES = (urllib3.exceptions.HTTPError, OSError)

# Seconds for which what was read of the signer, verified or not, serves the next decision: where IMDS is slow, one
# decision may be over before it has all of it.
_KEPT_MATERIAL = 10.0
# Bytes of an answer beyond which only a few are taken in at one time.
_LARGE = 64 * 1024
_MAX_LARGE = 8
# The largest answers taken, in bytes.
_FACT_LIMIT = 1024
_KEYS_LIMIT = 512 * 1024
_CHAIN_LIMIT = 32 * 1024
_LIST_LIMIT = 4 * 1024
_STAPLE_LIMIT = 16 * 1024
_MAX_STAPLES = 16


class Response(NamedTuple):
    status: int
    body: bytes


class _TooMuch(NotGranted):
    """IMDS sent more than is read."""


class _Read(NamedTuple):
    """One read under way: it began at `since`, must be over by `until`, and is part of a decision with `deadline`."""

    path: str
    since: float
    until: Deadline
    deadline: Deadline


class ImdsState:
    """What clients of one IMDS share: the token, and which of its paths, or whether all of it, let requests time out.

    Times are seconds of the clock that the deadlines are on.
    """

    def __init__(self) -> None:
        self.token: Optional[str] = None
        self.token_until = 0.0
        self.large = threading.BoundedSemaphore(_MAX_LARGE)
        self._retry_at = 0.0
        self._path_retry_at: Dict[str, float] = {}
        self._material: Dict[str, Tuple[Optional[bytes], float]] = {}

    def material(self, path: str, now: float) -> Optional[Tuple[Optional[bytes]]]:
        """What was read of `path` a moment ago, as a tuple of one; None where nothing was."""
        body, until = self._material.get(path, (None, 0.0))
        return (body,) if now < until else None

    def keep_material(self, path: str, body: Optional[bytes], now: float) -> None:
        kept = {other: one for other, one in self._material.items() if one[1] > now}
        self._material = {**kept, path: (body, now + _KEPT_MATERIAL)}

    def forget_material(self) -> None:
        self._material = {}

    def retry_after(self, path: str, now: float) -> float:
        """For how many seconds more `path` is not to be waited for."""
        return max(self._retry_at, self._path_retry_at.get(path, 0.0)) - now

    def timed_out(self, path: str, now: float, limit: Limit) -> None:
        """A request for `path` timed out: without a connection or a token, or on a second path, IMDS is silent; on one
        path only, that path is. A kept connection may be the one thing that is dead: it makes no second path."""
        quiet = {other: until for other, until in self._path_retry_at.items() if until > now}
        if not limit.connected or path == _TOKEN_PATH or (limit.connecting and set(quiet) - {path}):
            self._retry_at = now + _BACKOFF
        self._path_retry_at = {**quiet, path: now + _BACKOFF}


class Imds:
    """One IMDS, spoken to by one thread over one kept-alive connection.

    Every method raises NotGranted: imds-unreachable, imds-disabled, imds-error or deadline-exceeded.
    """

    def __init__(self, endpoint: str, request_timeout: float, state: Optional[ImdsState] = None) -> None:
        self._endpoint = endpoint
        self._state = state or ImdsState()
        self._kept_until = 0.0
        self._request_timeout = request_timeout
        self._unread_staple: Optional[NotGranted] = None
        self._limit = Limit()
        self._session = session(self._limit)

    def __enter__(self) -> Imds:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next read opens another."""
        self._session.close()

    def active_keys(self, user: str, deadline: Deadline) -> Optional[bytes]:
        """The signed keys pushed for `user`; None when there are none. `user` must be a checked name."""
        return self._get(f"managed-ssh-keys/active-keys/{user}", _KEYS_LIMIT, deadline)

    def instance_id(self, deadline: Deadline) -> str:
        return _match("instance-id", self._require("instance-id", _FACT_LIMIT, deadline), _INSTANCE_ID).group()

    def region(self, deadline: Deadline) -> str:
        """The region, from `placement/region`; cut out of the zone only where an IMDS does not know that path."""
        body = self._material("placement/region", _FACT_LIMIT, deadline)
        if body is not None:
            return _match("placement/region", body, partition.REGION).group()
        body = self._require("placement/availability-zone", _FACT_LIMIT, deadline)
        return _match("placement/availability-zone", body, _ZONE).group("region")

    def domain(self, region: str, deadline: Deadline) -> str:
        """The domain of `region`. Raises NotGranted with domain-unknown if `services/domain` gives any other."""
        body = _required("services/domain", self._material("services/domain", _FACT_LIMIT, deadline))
        domain = body.decode("ascii", "replace").strip()
        expected = partition.domain_of(region)
        if domain != expected:
            raise NotGranted(
                Reason.DOMAIN_UNKNOWN, f"services/domain is {domain[:80]!r}; in {region} it must be {expected}"
            )
        return domain

    def signer_chain(self, deadline: Deadline) -> bytes:
        """The signer's certificate and its issuers, PEM."""
        path = "managed-ssh-keys/signer-cert"
        return _required(path, self._material(path, _CHAIN_LIMIT, deadline))

    def staples(self, deadline: Deadline) -> List[bytes]:
        """The OCSP responses, DER, of the names that are listed.

        What is not base64 comes as b"", which no certificate can use. One that is listed and cannot be read is passed
        over, and why is in `unread_staple`: whether it was needed is found out where it is missing.

        Raises NotGranted with staple-invalid if there are more, or longer ones, than are read: what is not looked at
        may say that the signer is revoked.
        """
        self._unread_staple = None
        listing = self._material("managed-ssh-keys/signer-ocsp", _LIST_LIMIT, deadline) or b""
        names = dict.fromkeys(listing.decode("ascii", "replace").split())
        sound = [name for name in names if re.fullmatch(_STAPLE_NAME, name)]
        if len(sound) > _MAX_STAPLES:
            problem = f"signer-ocsp lists more than {_MAX_STAPLES} staples ({len(sound)})"
            raise NotGranted(Reason.STAPLE_INVALID, problem)
        fetched = (self._staple(name, deadline) for name in sound)
        return [_der(text) for text in fetched if text is not None]

    @property
    def unread_staple(self) -> Optional[NotGranted]:
        """Why one of the last `staples` could not be read; None where all were."""
        return self._unread_staple

    def forget(self) -> None:
        """Read everything again from now on, that of the signer too."""
        self._state.forget_material()

    def _staple(self, name: str, deadline: Deadline) -> Optional[bytes]:
        try:
            return self._material(f"managed-ssh-keys/signer-ocsp/{name}", _STAPLE_LIMIT, deadline)
        except _TooMuch as refusal:
            raise NotGranted(Reason.STAPLE_INVALID, refusal.detail) from refusal
        except NotGranted as refusal:
            if refusal.reason not in (Reason.IMDS_ERROR, Reason.IMDS_UNREACHABLE):
                raise
            self._unread_staple = self._unread_staple or refusal
            return None

    def _material(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        """The body at a path that is about the signer, as it was read a moment ago or as it is read now."""
        kept = self._state.material(path, deadline.clock())
        if kept is not None:
            (body,) = kept
            return body
        body = self._get(path, limit, deadline)
        self._state.keep_material(path, body, deadline.clock())
        return body

    def _require(self, path: str, limit: int, deadline: Deadline) -> bytes:
        return _required(path, self._get(path, limit, deadline))

    def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        """The body; None for 404. A token, a second connection: all that it takes has one request's time."""
        read = _Read(path, deadline.clock(), deadline.capped(self._request_timeout), deadline)
        response = self._get_once(limit, read)
        if response.status == 401:
            self._state.token = None
            response = self._get_once(limit, read)
        if response.status == 200:
            return response.body
        if response.status == 404:
            return None
        raise _refusal(path, response.status)

    def _get_once(self, limit: int, read: _Read) -> Response:
        clock = read.deadline.clock
        token = self._state.token
        if token is None or clock() >= self._state.token_until:
            token = self._fresh_token(read)
            self._state.token_until = clock() + _TOKEN_TTL - _TOKEN_MARGIN
            self._state.token = token
        return self._send("GET", f"meta-data/{read.path}", {"X-aws-ec2-metadata-token": token}, limit, read)

    def _fresh_token(self, read: _Read) -> str:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_TTL)}
        response = self._send("PUT", _TOKEN_PATH, headers, _FACT_LIMIT, read)
        if response.status != 200:
            raise _refusal(_TOKEN_PATH, response.status)
        if not re.fullmatch(_TOKEN, response.body):
            raise NotGranted(Reason.IMDS_ERROR, "api/token gave something that is no token")
        return response.body.decode("ascii")

    def _send(self, method: str, path: str, headers: Dict[str, str], limit: int, read: _Read) -> Response:
        self._require_available(path, read.deadline.clock())
        try:
            return self._exchange(method, path, headers, limit, read)
        except _FAILURES as error:
            # IMDS may close a connection that was kept for the next request; then the request goes over a new one.
            if self._limit.connecting:
                raise self._failure(path, error, read) from error
        try:
            return self._exchange(method, path, headers, limit, read)
        except _FAILURES as error:
            raise self._failure(path, error, read) from error

    def _exchange(self, method: str, path: str, headers: Dict[str, str], limit: int, read: _Read) -> Response:
        try:
            return self._request(method, path, headers, limit, read)
        except (NotGranted, ImportError, *_FAILURES):
            raise
        except Exception as error:  # what an answer that makes no sense leads to in the libraries
            problem = f"the answer to {path} cannot be read: {type(error).__name__}: {error}"
            raise NotGranted(Reason.IMDS_ERROR, problem) from error

    def _request(self, method: str, path: str, headers: Dict[str, str], limit: int, read: _Read) -> Response:
        clock = read.deadline.clock
        if clock() >= self._kept_until:
            self.close()
        self._limit.begin(read.until, limit)
        with self._session.request(
            method,
            f"{self._endpoint}/latest/{path}",
            headers=headers,
            timeout=self._limit.remaining(),
            allow_redirects=False,
            stream=True,
        ) as answer:
            response = Response(answer.status_code, self._body(answer, path, limit))
        self._kept_until = clock() + _KEPT
        return response

    def _body(self, answer: requests.Response, path: str, limit: int) -> bytes:
        """The body as it came, whole and at most `limit` bytes."""
        body: bytes = answer.raw.read(min(limit, _LARGE) + 1)
        if len(body) > _LARGE:
            if not self._state.large.acquire(timeout=self._limit.remaining()):
                raise socket.timeout("too many large answers are being read")
            try:
                body += answer.raw.read(limit + 1 - len(body))
            finally:
                self._state.large.release()
        if len(body) > limit:
            raise _TooMuch(Reason.IMDS_ERROR, f"the answer to {path} is longer than {limit} bytes")
        length = answer.headers.get("Content-Length")
        if length is not None and length != str(len(body)):
            raise NotGranted(Reason.IMDS_ERROR, f"the answer to {path} broke off")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise NotGranted(Reason.IMDS_ERROR, f"the answer to {path} is compressed, which was not asked for")
        return body

    def _require_available(self, path: str, now: float) -> None:
        """IMDS has not just let a request time out."""
        silent = self._state.retry_after(path, now)
        if silent > 0:
            again = f"it is asked again in {silent:.1f} s"
            raise NotGranted(Reason.IMDS_UNREACHABLE, f"{self._endpoint} did not answer a moment ago; {again}")

    def _failure(self, path: str, error: Exception, read: _Read) -> NotGranted:
        nonsense = _protocol_error(error)
        if nonsense is not None:
            refusal = _TooMuch if _is_too_long(error) else NotGranted
            return refusal(Reason.IMDS_ERROR, f"the answer to {path} {nonsense}")
        clock = read.deadline.clock
        is_over = read.until.remaining() <= 0
        if is_over and clock() - read.since >= self._request_timeout / 2:
            self._state.timed_out(path, clock(), self._limit)
        if read.deadline.remaining() <= 0:
            return NotGranted(Reason.DEADLINE_EXCEEDED, f"the decision's time was over while IMDS was asked for {path}")
        if is_over:
            wait = f"within {self._request_timeout:g} s"
            return NotGranted(Reason.IMDS_UNREACHABLE, f"{self._endpoint} did not answer {path} {wait}")
        return NotGranted(
            Reason.IMDS_UNREACHABLE, f"{self._endpoint} could not be asked for {path}: {_os_error_text(error)}"
        )


def _required(path: str, body: Optional[bytes]) -> bytes:
    if body is None:
        raise NotGranted(Reason.IMDS_ERROR, f"{path} answered 404")
    return body


def _match(path: str, body: bytes, shape: str) -> re.Match[str]:
    fact = body.decode("ascii", "replace").strip()
    match = re.fullmatch(shape, fact)
    if match is None:
        raise NotGranted(Reason.IMDS_ERROR, f"{path} is {fact[:80]!r}")
    return match


def _refusal(path: str, status: int) -> NotGranted:
    if status == 403:
        return NotGranted(Reason.IMDS_DISABLED, f"{path} answered 403: it is turned off")
    return NotGranted(Reason.IMDS_ERROR, f"{path} answered {status}")


def _der(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return b""


def _causes(error: BaseException) -> List[BaseException]:
    """`error` and all that led to it; urllib3 also keeps causes among an error's arguments."""
    found = [error]
    for one in found:  # grows while it is walked
        linked = (one.__cause__, one.__context__, *one.args)
        found += [other for other in linked if isinstance(other, BaseException) and other not in found]
    return found


def _is_too_long(error: BaseException) -> bool:
    return any(isinstance(cause, TooLong) for cause in _causes(error))


def _protocol_error(error: BaseException) -> Optional[str]:
    """What is wrong with an answer that came, or None if none did."""
    causes = _causes(error)
    if _is_too_long(error):
        return "is longer than any that IMDS gives"
    if any(isinstance(cause, http.client.RemoteDisconnected) for cause in causes):
        return "was a closed connection"
    no_http = (http.client.HTTPException, urllib3.exceptions.InvalidHeader, urllib3.exceptions.HeaderParsingError)
    if any(isinstance(cause, no_http) for cause in causes):
        return "was not HTTP"
    return None


def _os_error_text(error: BaseException) -> str:
    texts = (cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror)
    return next(texts, type(error).__name__)
