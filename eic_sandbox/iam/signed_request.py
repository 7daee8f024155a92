# SPDX-License-Identifier: Apache-2.0
"""The HTTP request whose signature is verified: its parts within their limits, each with one meaning only."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple
from urllib.parse import unquote_to_bytes

_MAX_PATH = 8192  # characters, as the next three
_MAX_QUERY = 16384
_MAX_HEADERS = 65536  # of all names and values
_MAX_SHOWN = 64  # of a value that a message repeats
_MAX_PAIRS = 256
_MAX_HEADER_LINES = 256

_TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]"  # RFC 9110, section 5.6.2
_METHOD = re.compile(_TOKEN + "{1,32}")
_HEADER_NAME = re.compile(_TOKEN + "{1,256}")
_NOT_IN_VALUES = re.compile("[\x00-\x08\x0a-\x1f\x7f]")  # a line break would add a line to what is signed
_PATH = re.compile(r"/[!-\"$->@-~]*")  # printable ASCII without "#" and "?"
_QUERY = re.compile(r"[!-\"$-~]*")  # printable ASCII without "#"
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class Problem(enum.Enum):
    """Why a signature is not accepted. Each service has its own names for these."""

    MISSING = "the request has no signature"
    AMBIGUOUS = "the request has two signatures, or two values where a signature has one"
    INCOMPLETE = "a part of the signature is missing or malformed"
    UNSIGNED = "a header that must be signed is not"
    UNSUPPORTED = "the algorithm, or the way in which the body is signed, is not supported"
    MALFORMED = "the method, path, query or a header is not valid in an HTTP request"
    TOO_LARGE = "the path, the query, the headers or their number exceed a limit"
    WRONG_SCOPE = "the signature is for another date, Region or service"
    EXPIRED = "the signature is too old"
    NOT_YET_VALID = "the time of the signature is too far in the future"
    MISMATCH = "the signature is not that of this request with this secret"


class SignatureError(Exception):
    """A signature that is not accepted: `problem`, and `message`, the text for the client."""

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem = problem
        self.message = message


@dataclass(frozen=True)
class HttpRequest:
    """A request as it was received.

    `path` and `query` are still percent-encoded, `query` is without its "?". `headers` has every line, in order; bytes
    that are not UTF-8 are surrogates, as aiohttp decodes them. `body` has no chunked encoding.
    """

    method: str
    path: str
    query: str
    headers: Sequence[Tuple[str, str]]
    body: bytes


def require_valid_line(request: HttpRequest) -> None:
    """Raises SignatureError (MALFORMED, TOO_LARGE) for the method or the path."""
    if len(request.path) > _MAX_PATH:
        raise SignatureError(Problem.TOO_LARGE, "The path is too long.")
    if not _METHOD.fullmatch(request.method):
        raise SignatureError(Problem.MALFORMED, f"The method is not valid ({shown(request.method)}).")
    if not _PATH.fullmatch(request.path):
        raise SignatureError(Problem.MALFORMED, f"The path is not valid ({shown(request.path)}).")


def query_pairs(raw: str) -> Tuple[Tuple[str, str], ...]:
    """The names and values of a query, percent-decoded as UTF-8, in order, repeats kept; "+" is a plus sign.

    Raises SignatureError: MALFORMED or TOO_LARGE.
    """
    if len(raw) > _MAX_QUERY or raw.count("&") >= _MAX_PAIRS:
        raise SignatureError(Problem.TOO_LARGE, "The query string is too long.")
    if not _QUERY.fullmatch(raw) or _BAD_ESCAPE.search(raw):
        raise SignatureError(Problem.MALFORMED, "The query string is not valid percent-encoding.")
    try:
        return tuple(
            (unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()) for name, value in raw_pairs(raw)
        )
    except UnicodeDecodeError:
        raise SignatureError(Problem.MALFORMED, "The query string is not UTF-8.") from None


def raw_pairs(raw: str) -> List[Tuple[str, str]]:
    """The names and values of a query, still percent-encoded, in order."""
    pairs = (pair.partition("=") for pair in raw.split("&") if raw)
    return [(name, value) for name, _, value in pairs]


def amz_parameters(raw: str) -> Dict[str, str]:
    """The X-Amz-* parameters of a query, by their names as they are spelled.

    Raises SignatureError: as `query_pairs`, and AMBIGUOUS for two whose names differ in case at most.
    """
    found: Dict[str, str] = {}
    seen = set()
    for name, value in query_pairs(raw):
        folded = name.casefold()
        if folded in seen:
            raise SignatureError(Problem.AMBIGUOUS, f"The query parameter {shown(name)} must not be repeated.")
        if folded.startswith("x-amz-"):
            seen.add(folded)
            found[name] = value
    return found


def header_values(request: HttpRequest) -> Dict[str, List[str]]:
    """The values of each header by its name in lower case, without blanks around them.

    Raises SignatureError: MALFORMED or TOO_LARGE.
    """
    size = sum(len(name) + len(value) for name, value in request.headers)
    if size > _MAX_HEADERS or len(request.headers) > _MAX_HEADER_LINES:
        raise SignatureError(Problem.TOO_LARGE, "The headers are too long.")
    headers: Dict[str, List[str]] = {}
    for name, value in request.headers:
        # The name must be ASCII before lower() is called: lower() makes a "k" of U+212A.
        if not _HEADER_NAME.fullmatch(name) or _NOT_IN_VALUES.search(value) or not _encodable(value):
            raise SignatureError(Problem.MALFORMED, f"A header is not valid ({shown(name)}).")
        headers.setdefault(name.lower(), []).append(value.strip(" \t"))
    return headers


def shown(value: str) -> str:
    """The start of a value, for a message: printable ASCII."""
    return ascii(value[:_MAX_SHOWN])


def _encodable(value: str) -> bool:
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
