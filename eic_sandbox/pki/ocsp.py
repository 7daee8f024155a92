# SPDX-License-Identifier: Apache-2.0
"""OCSP staples (RFC 6960): good ones, and one kind for each way in which a staple can be unacceptable."""

from __future__ import annotations

import datetime
import enum
from typing import Optional, Sequence, Tuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from .authority import BACKDATED, Identity, ec_key, issue, utcnow

Updates = Tuple[datetime.datetime, Optional[datetime.datetime]]
"""thisUpdate and nextUpdate."""


class StapleKind(enum.Enum):
    """What is wrong with a staple, if anything."""

    GOOD = "good"
    REVOKED = "revoked"
    REVOKED_LONG_AGO = "revoked, and stale"
    UNKNOWN = "unknown"
    STALE = "nextUpdate has passed"
    EARLY = "thisUpdate is in the future"
    NO_NEXT_UPDATE = "no nextUpdate"
    UNAUTHORIZED_RESPONDER = "signed by a key that the issuer did not certify"
    DELEGATED = "good, and signed by the issuer's delegated responder"
    UNDELEGATED = "signed by a certificate of the issuer that is no OCSP responder's"
    REFUSED = "an error response"


_STATUSES = {
    StapleKind.REVOKED: ocsp.OCSPCertStatus.REVOKED,
    StapleKind.REVOKED_LONG_AGO: ocsp.OCSPCertStatus.REVOKED,
    StapleKind.UNKNOWN: ocsp.OCSPCertStatus.UNKNOWN,
}


def staple(
    kind: StapleKind,
    subject: Identity,
    issuer: Identity,
    fresh_for: float = 3600,
    responder: Optional[Identity] = None,
    *,
    certificates: Optional[Sequence[Identity]] = None,
    algorithm: Optional[hashes.HashAlgorithm] = None,
    responder_id: Optional[Identity] = None,
    by_name: bool = False,
    updates: Optional[Updates] = None,
) -> bytes:
    """A DER OCSP response about `subject`, fresh for `fresh_for` seconds, signed by `responder` (default: by `kind`).

    `certificates` are included in it. `responder_id` is named as its responder, by name or by key hash. The signature
    is over SHA-256, or `algorithm`.
    """
    if kind is StapleKind.REFUSED:
        return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
            serialization.Encoding.DER
        )
    this_update, next_update = updates or _updates(kind, fresh_for)
    status = _STATUSES.get(kind, ocsp.OCSPCertStatus.GOOD)
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    responder = responder or _responder(kind, issuer)
    encoding = ocsp.OCSPResponderEncoding.NAME if by_name else ocsp.OCSPResponderEncoding.HASH
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=subject.certificate,
            issuer=issuer.certificate,
            algorithm=hashes.SHA1(),  # noqa: S303 - the CertID of RFC 6960, not a signature
            cert_status=status,
            this_update=this_update,
            next_update=next_update,
            revocation_time=this_update if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(encoding, (responder_id or responder).certificate)
    )
    if certificates is None:
        certificates = [] if responder is issuer else [responder]
    if certificates:
        builder = builder.certificates([one.certificate for one in certificates])
    return builder.sign(responder.key, algorithm or hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _updates(kind: StapleKind, fresh_for: float) -> Updates:
    now = utcnow()
    if kind is StapleKind.STALE:
        return now - BACKDATED, now - datetime.timedelta(seconds=1)
    if kind is StapleKind.REVOKED_LONG_AGO:
        return now - datetime.timedelta(days=400), now - datetime.timedelta(days=393)
    if kind is StapleKind.EARLY:
        return now + datetime.timedelta(minutes=10), now + datetime.timedelta(seconds=fresh_for)
    if kind is StapleKind.NO_NEXT_UPDATE:
        return now - BACKDATED, None
    return now - BACKDATED, now + datetime.timedelta(seconds=fresh_for)


def _responder(kind: StapleKind, issuer: Identity) -> Identity:
    if kind is StapleKind.UNAUTHORIZED_RESPONDER:
        usages = [ExtendedKeyUsageOID.OCSP_SIGNING]
        return issue("Unauthorized Responder", ec_key(), ca=False, usages=usages)
    if kind is StapleKind.DELEGATED:
        return issue("Sandbox Responder", ec_key(), issuer, ca=False, usages=[ExtendedKeyUsageOID.OCSP_SIGNING])
    if kind is StapleKind.UNDELEGATED:
        return issue("Sandbox Server", ec_key(), issuer, ca=False, usages=[ExtendedKeyUsageOID.SERVER_AUTH])
    return issuer
