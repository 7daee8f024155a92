# SPDX-License-Identifier: Apache-2.0
"""OCSP staples (RFC 6960): which certificate one speaks of, whether it may speak, and what it says.

A staple is matched to a certificate by the CertID within it, never by the name under which IMDS lists it.
"""

from __future__ import annotations

import datetime
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from .decision import NotGranted, Reason
from .signature import UNUSABLE, issued, require_signed_by

_HASHES = (hashes.SHA1, hashes.SHA224, hashes.SHA256, hashes.SHA384, hashes.SHA512)


class _Invalid(Exception):
    """A staple speaks of the certificate but cannot be believed; says why."""


class Status(NamedTuple):
    """What a staple says of one certificate; times in seconds since the epoch."""

    revoked: bool
    next_update: int


def epoch_seconds(value: Any, name: str) -> Optional[int]:
    """The time `name` of a certificate or response in seconds since the epoch.

    cryptography 42 and 43 renamed these times to `*_utc`; the older names give naive UTC.
    """
    time = getattr(value, f"{name}_utc") if hasattr(value, f"{name}_utc") else getattr(value, name)
    return None if time is None else int(time.replace(tzinfo=datetime.timezone.utc).timestamp())


def require_good(
    certificate: x509.Certificate, issuer: x509.Certificate, staples: Sequence[bytes], now: int, clock_skew: int
) -> int:
    """Until when (seconds since the epoch) a staple vouches for `certificate`.

    Raises:
        NotGranted: staple-missing, staple-invalid (with the reason), or signer-revoked.
    """
    name = certificate.subject.rfc4514_string()
    good: List[int] = []
    problems: List[str] = []
    for der in staples:
        try:
            statuses = list(_statuses(der, certificate, issuer, now, clock_skew))
        except _Invalid as problem:
            problems.append(str(problem))
            continue
        if any(status.revoked for status in statuses):
            raise NotGranted(Reason.SIGNER_REVOKED, f"{name} is revoked")
        good += [status.next_update for status in statuses]
    if good:
        return max(good)
    if problems:
        raise NotGranted(Reason.STAPLE_INVALID, f"{name}: {problems[0]}")
    raise NotGranted(Reason.STAPLE_MISSING, f"no staple speaks of {name}")


def _statuses(
    der: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: int, clock_skew: int
) -> Iterator[Status]:
    """What the response `der` says of `certificate`: nothing, if it speaks of others."""
    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise _Invalid(f"a staple is an error: {response.response_status.name}")
        # One response may speak of several certificates; cryptography before 37 reads those of one only.
        singles = list(response.responses) if hasattr(response, "responses") else [response]
        for single in singles:
            if _speaks_of(single, certificate, issuer):
                _require_authorized(response, issuer, now)
                yield _status(single, now, clock_skew)
    except UNUSABLE as error:
        raise _Invalid(f"a staple does not read: {error}") from error


def _speaks_of(single: Any, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if single.serial_number != certificate.serial_number or not isinstance(single.hash_algorithm, _HASHES):
        return False
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, single.hash_algorithm).build()
    return bool(
        single.issuer_name_hash == request.issuer_name_hash and single.issuer_key_hash == request.issuer_key_hash
    )


def _status(single: Any, now: int, clock_skew: int) -> Status:
    this_update, next_update = epoch_seconds(single, "this_update"), epoch_seconds(single, "next_update")
    if this_update is None or this_update > now + clock_skew:
        raise _Invalid("the staple is not valid yet")
    if next_update is None or next_update <= now:
        raise _Invalid("the staple is stale")
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise _Invalid("the staple says that the responder does not know the certificate")
    return Status(single.certificate_status is ocsp.OCSPCertStatus.REVOKED, next_update)


def _require_authorized(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: int) -> None:
    """The issuer signed the response, or a responder to which it delegated that (RFC 6960 section 4.2.2.2)."""
    for signer in [issuer, *(one for one in response.certificates if _is_delegate(one, issuer, now))]:
        try:
            algorithm = response.signature_hash_algorithm
            require_signed_by(signer.public_key(), response.signature, response.tbs_response_bytes, algorithm)
            return
        except UNUSABLE:
            continue  # not this one: the next may have signed it
    raise _Invalid("the staple was made neither by the certificate's issuer nor by a responder of the issuer's")


def _is_delegate(certificate: x509.Certificate, issuer: x509.Certificate, now: int) -> bool:
    """Whether `issuer` itself issued `certificate` to an OCSP responder, and it is valid now."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, *UNUSABLE):
        return False
    not_before = epoch_seconds(certificate, "not_valid_before") or 0
    not_after = epoch_seconds(certificate, "not_valid_after") or 0
    is_responder = ExtendedKeyUsageOID.OCSP_SIGNING in usage
    return is_responder and not_before <= now <= not_after and issued(issuer, certificate)
