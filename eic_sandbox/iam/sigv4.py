# SPDX-License-Identifier: Apache-2.0
"""AWS Signature Version 4: verifies requests that are signed in an Authorization header or in the URL (presigned).

From the IAM User Guide, "AWS Signature Version 4 for API requests" and "Create a signed AWS API request". This is the
form of every service but S3: the path is normalised and encoded twice, and the body is always hashed. Stricter than
AWS, so that no request has two meanings: a signature is accepted in one place only, in one spelling only.

A service decides which form it accepts (`Signature.presigned`), and finds the secret for `Signature.access_key_id` and
`Signature.session_token`.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Collection, Dict, Mapping, Optional, Sequence, Tuple

from .canonical_request import canonical
from .signed_request import (
    HttpRequest,
    Problem,
    SignatureError,
    amz_parameters,
    header_values,
    query_pairs,
    require_valid_line,
    shown,
)

__all__ = ["HttpRequest", "Problem", "Signature", "SignatureError", "query_pairs", "read", "verify"]

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = 900  # seconds that the clocks of client and service may differ
DEFAULT_EXPIRES = 60  # seconds, of a URL without X-Amz-Expires: as long as the AWS CLI's URL of a tunnel is valid

_TERMINATOR = "aws4_request"
_MAX_EXPIRES = 604800  # seconds: seven days
_MAX_SIGNED_HEADERS = 64
_ACCESS_KEY_ID = re.compile("[A-Za-z0-9_]{1,128}")  # IAM API Reference, AccessKey
_TIME = re.compile("[0-9]{8}T[0-9]{6}Z")
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_HEX_SHA256 = re.compile("[0-9a-f]{64}")
_SECONDS = re.compile("[1-9][0-9]{0,5}")
_VISIBLE = re.compile("[!-~]+")

_PARTS = ("Credential", "SignedHeaders", "Signature")
_IN_URL = tuple(f"X-Amz-{part}" for part in ("Algorithm", "Date", *_PARTS))
_PRESIGNED = {name.casefold(): name for name in (*_IN_URL, "X-Amz-Expires", "X-Amz-Security-Token")}
_DATE, _SESSION_TOKEN = "x-amz-date", "x-amz-security-token"
_ONCE = ("authorization", "host", _DATE, _SESSION_TOKEN, "x-amz-content-sha256")


@dataclass(frozen=True)
class Signature:
    """A signature that is complete but not yet verified.

    `date` (YYYYMMDD), `region` and `service` are its scope, `at` is its time (epoch seconds). `expires` (seconds) is
    None in an Authorization header. `signature` is lower-case hexadecimal.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: Tuple[str, ...]
    signature: str
    at: float
    expires: Optional[int]
    session_token: Optional[str]
    presigned: bool


def read(request: HttpRequest) -> Signature:
    """The signature of a request. Raises SignatureError if there is none, or if it is not complete."""
    require_valid_line(request)
    headers = header_values(request)
    amz = amz_parameters(request.query)
    for name in _ONCE:
        if len(headers.get(name, ())) > 1:
            raise SignatureError(Problem.AMBIGUOUS, f"The header {name} must not be repeated.")
    if any(name.casefold() in _PRESIGNED for name in amz):
        return _read_query(headers, amz)
    if "authorization" not in headers:
        raise SignatureError(Problem.MISSING, "Request is missing Authentication Token")
    return _read_header(headers)


def verify(
    request: HttpRequest,
    signature: Signature,
    secret: str,
    *,
    now: float,
    regions: Collection[str],
    service: str,
) -> None:
    """Returns if `signature`, as read from `request`, was made with `secret` for `service` in one of the Regions.

    `now` is in epoch seconds. Raises SignatureError: WRONG_SCOPE, EXPIRED, NOT_YET_VALID, UNSUPPORTED, MISMATCH.
    """
    if signature.region not in regions:
        raise SignatureError(Problem.WRONG_SCOPE, "Credential should be scoped to a valid region.")
    if signature.service != service:
        raise SignatureError(Problem.WRONG_SCOPE, f"Credential should be scoped to correct service: '{service}'.")
    _require_current(signature, now)
    scope = f"{signature.date}/{signature.region}/{signature.service}/{_TERMINATOR}"
    digest = hashlib.sha256(canonical(request, signature.signed_headers)).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), "\n".join((ALGORITHM, _iso(signature.at), scope, digest))):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(key.hex().encode(), signature.signature.encode()):
        raise SignatureError(
            Problem.MISMATCH,
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        )


def _read_query(headers: Mapping[str, Sequence[str]], amz: Mapping[str, str]) -> Signature:
    if "authorization" in headers or not headers.keys().isdisjoint(_PRESIGNED):
        raise SignatureError(Problem.AMBIGUOUS, "Sign either in the query string or in headers, not in both.")
    for name in amz:
        if _PRESIGNED.get(name.casefold(), name) != name:
            raise SignatureError(
                Problem.INCOMPLETE, f"The query parameter must be spelled {_PRESIGNED[name.casefold()]}."
            )
    _require_parts(amz, _IN_URL, "The query string")
    _require_algorithm(amz["X-Amz-Algorithm"])
    expires = amz.get("X-Amz-Expires", str(DEFAULT_EXPIRES))
    if not _SECONDS.fullmatch(expires) or int(expires) > _MAX_EXPIRES:
        raise _incomplete("X-Amz-Expires", expires, f"1 to {_MAX_EXPIRES} seconds")
    parts = {part: amz["X-Amz-" + part] for part in _PARTS}
    return _signature(parts, headers, amz["X-Amz-Date"], amz.get("X-Amz-Security-Token"), int(expires))


def _read_header(headers: Mapping[str, Sequence[str]]) -> Signature:
    algorithm, _, rest = headers["authorization"][0].partition(" ")
    _require_algorithm(algorithm)
    parts: Dict[str, str] = {}
    for part in rest.split(",", len(_PARTS)):
        name, _, value = part.strip(" \t").partition("=")
        if name not in _PARTS or name in parts:
            raise _incomplete("Authorization", part, f"{', '.join(_PARTS)}, each once")
        parts[name] = value
    _require_parts(parts, _PARTS, "The Authorization header")
    _require_parts(headers, (_DATE,), "The request")
    token = headers[_SESSION_TOKEN][0] if _SESSION_TOKEN in headers else None
    return _signature(parts, headers, headers[_DATE][0], token, None)


def _signature(
    parts: Mapping[str, str],
    headers: Mapping[str, Sequence[str]],
    time: str,
    token: Optional[str],
    expires: Optional[int],
) -> Signature:
    at = _epoch(time)
    credential = parts["Credential"].split("/")
    if len(credential) != 5 or not _ACCESS_KEY_ID.fullmatch(credential[0]):
        raise _incomplete("Credential", parts["Credential"], "KEY/YYYYMMDD/REGION/SERVICE/aws4_request")
    access_key_id, date, region, service, terminator = credential
    if terminator != _TERMINATOR:
        raise SignatureError(
            Problem.WRONG_SCOPE, f"Credential should be scoped with a valid terminator: '{_TERMINATOR}'."
        )
    if date != time[:8]:
        raise SignatureError(Problem.WRONG_SCOPE, f"Credential is scoped to {shown(date)}, but X-Amz-Date is {time}.")
    if not _HEX_SHA256.fullmatch(parts["Signature"]):
        raise _incomplete("Signature", parts["Signature"], "64 lower-case hexadecimal digits")
    if token is not None and not _VISIBLE.fullmatch(token):
        raise _incomplete("X-Amz-Security-Token", token, "printable ASCII")
    signed = _signed_headers(parts["SignedHeaders"], headers)
    return Signature(
        access_key_id, date, region, service, signed, parts["Signature"], at, expires, token, expires is not None
    )


def _signed_headers(names: str, headers: Mapping[str, Sequence[str]]) -> Tuple[str, ...]:
    if names.count(";") >= _MAX_SIGNED_HEADERS:
        raise SignatureError(Problem.TOO_LARGE, "SignedHeaders has too many names.")
    signed = tuple(names.split(";"))
    if list(signed) != sorted(set(signed)) or not headers.keys() >= set(signed):
        raise _incomplete("SignedHeaders", names, "names of the request's headers, lower-case and sorted, each once")
    # AWS demands this in headers. Here also in URLs: a header added to a URL must not change what it does.
    unsigned = {name for name in headers if name.startswith("x-amz-")}.union({"host"}).difference(signed)
    if unsigned:
        raise SignatureError(Problem.UNSIGNED, f"'{min(unsigned)}' must be a 'SignedHeader' of the AWS signature.")
    return signed


def _require_parts(parts: Collection[str], names: Sequence[str], where: str) -> None:
    for name in names:
        if name not in parts:
            raise SignatureError(Problem.INCOMPLETE, f"{where} requires '{name}'.")


def _require_algorithm(algorithm: str) -> None:
    if algorithm != ALGORITHM:
        raise SignatureError(Problem.UNSUPPORTED, f"The signature must be {ALGORITHM} (not {shown(algorithm)}).")


def _require_current(signature: Signature, now: float) -> None:
    if signature.at > now + SKEW:
        raise SignatureError(
            Problem.NOT_YET_VALID,
            f"Signature not yet current: {_iso(signature.at)} is still later than {_iso(now + SKEW)} "
            f"({_iso(now)} + {SKEW / 60:g} min.)",
        )
    lifetime = SKEW if signature.expires is None else signature.expires
    if signature.at < now - lifetime:
        raise SignatureError(
            Problem.EXPIRED,
            f"Signature expired: {_iso(signature.at)} is now earlier than {_iso(now - lifetime)} "
            f"({_iso(now)} - {lifetime / 60:g} min.)",
        )


def _epoch(time: str) -> float:
    problem = _incomplete("X-Amz-Date", time, "a UTC time, YYYYMMDDTHHMMSSZ")
    if not _TIME.fullmatch(time):
        raise problem
    try:
        return datetime.datetime.strptime(time, _TIME_FORMAT).replace(tzinfo=datetime.timezone.utc).timestamp()
    except ValueError:  # such as the 31st of February
        raise problem from None


def _iso(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime(_TIME_FORMAT)


def _incomplete(name: str, value: str, valid: str) -> SignatureError:
    return SignatureError(Problem.INCOMPLETE, f"{name} is not valid ({shown(value)}). It must be {valid}.")
