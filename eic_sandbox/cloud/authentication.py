# SPDX-License-Identifier: Apache-2.0
"""Whose request it is: its signature, verified with the secret of the access key that it names."""

from __future__ import annotations

import enum
import hmac
from typing import Collection

from ..iam import sigv4
from ..iam.sigv4 import HttpRequest, Problem, SignatureError
from .directory import Directory
from .principals import Credentials, Session


class Failure(enum.Enum):
    """Why a request is not authenticated; each service has its own name for it."""

    MISSING = "the request is not signed"
    INCOMPLETE = "the signature is not complete, or not in a form that is accepted"
    WRONG_SCOPE = "the signature is for another Region, service or day"
    UNKNOWN_KEY = "there is no such access key"
    INVALID_TOKEN = "the session token is not that of the access key"
    EXPIRED_TOKEN = "the session has expired"
    EXPIRED = "the signature has expired, or is not valid yet"
    MISMATCH = "the signature is not that of the request"


class Unauthenticated(Exception):
    """A request is not authenticated; `access_key_id` is empty where none could be read."""

    def __init__(self, failure: Failure, message: str, access_key_id: str = "") -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message
        self.access_key_id = access_key_id


_FAILURES = {
    Problem.MISSING: Failure.MISSING,
    Problem.WRONG_SCOPE: Failure.WRONG_SCOPE,
    Problem.EXPIRED: Failure.EXPIRED,
    Problem.NOT_YET_VALID: Failure.EXPIRED,
    Problem.MISMATCH: Failure.MISMATCH,
}


def read(request: HttpRequest) -> sigv4.Signature:
    """The signature of a request. Raises Unauthenticated."""
    try:
        return sigv4.read(request)
    except SignatureError as error:
        raise _unauthenticated(error, "") from None


def authenticate(
    directory: Directory,
    request: HttpRequest,
    signature: sigv4.Signature,
    *,
    now: float,
    regions: Collection[str],
    service: str,
) -> Credentials:
    """The access key that signed the request. Raises Unauthenticated."""
    key_id = signature.access_key_id
    credentials = directory.credentials(key_id)
    if credentials is None:
        raise Unauthenticated(Failure.UNKNOWN_KEY, "The security token included in the request is invalid.", key_id)
    given, own = signature.session_token or "", credentials.token or ""
    if not hmac.compare_digest(given.encode(), own.encode()):
        raise Unauthenticated(Failure.INVALID_TOKEN, "The security token included in the request is invalid.", key_id)
    try:
        sigv4.verify(request, signature, credentials.secret, now=now, regions=regions, service=service)
    except SignatureError as error:
        raise _unauthenticated(error, key_id) from None
    principal = credentials.principal
    if isinstance(principal, Session) and principal.expires <= now:
        raise Unauthenticated(Failure.EXPIRED_TOKEN, "The security token included in the request is expired", key_id)
    return credentials


def _unauthenticated(error: SignatureError, key_id: str) -> Unauthenticated:
    return Unauthenticated(_FAILURES.get(error.problem, Failure.INCOMPLETE), error.message, key_id)
