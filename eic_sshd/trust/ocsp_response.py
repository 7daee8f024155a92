# SPDX-License-Identifier: Apache-2.0
"""OCSP responses (RFC 6960) as values: their answers, and which certificate each answer is about.

Nothing here is verified: responders.py determines who made a response.
"""

from __future__ import annotations

import itertools
from typing import Dict, Iterator, List, Optional, Tuple, Union, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from ..model.value import Value
from .certificate import Certificate, Unusable, epoch_seconds, parsed
from .signatures import require_verifiable

# Bytes of a response, and answers in one: more than AWS or a site's CA has a use for.
MAX_LENGTH = 16 * 1024
MAX_ANSWERS = 16

_Single = Union["ocsp.OCSPSingleResponse", ocsp.OCSPResponse]
_NOT_REVOKED = (ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.UNKNOWN)


class Undecided(Unusable):
    """It cannot be determined whether an authorized responder reports that a certificate is revoked."""


class Signature(Value):
    """What a response's maker signed, and how; `hash` is None where the algorithm has none of its own."""

    signature: bytes
    signed: bytes
    hash: Optional[hashes.HashAlgorithm]


class Answer(Value):
    """The status of one certificate in a response. `problem` is why it may be that of another with the same serial."""

    response: Response
    single: _Single
    problem: Optional[str]

    @property
    def is_good(self) -> bool:
        """Whether its status is GOOD, and it is certain whose status it is."""
        return self.problem is None and self._status is ocsp.OCSPCertStatus.GOOD

    @property
    def may_be_revoked(self) -> bool:
        """Whether its status is REVOKED, or cannot be parsed."""
        return self._status not in _NOT_REVOKED

    def require_revoked(self) -> None:
        """Raises Undecided if its parts, apart from its times, do not show for certain that it reports REVOKED."""
        if self.problem is not None:
            raise Undecided(self.problem)
        if self._status is None:
            raise Undecided("its status cannot be parsed")

    def times(self) -> Tuple[int, Optional[int]]:
        """thisUpdate and nextUpdate in seconds since the epoch. Raises Unusable."""
        this_update = cast(int, parsed(epoch_seconds, self.single, "this_update"))  # which every answer has
        return this_update, parsed(epoch_seconds, self.single, "next_update")

    @property
    def _status(self) -> Optional[ocsp.OCSPCertStatus]:
        try:
            return parsed(lambda: self.single.certificate_status)
        except Unusable:
            return None


class CertIds:
    """The CertIDs (RFC 6960 section 4.1.1) of certificates, each computed once."""

    def __init__(self) -> None:
        self._ids: Dict[Tuple[bytes, bytes, str], Tuple[bytes, bytes]] = {}

    def are_of(self, single: _Single, certificate: Certificate, issuer: Certificate) -> bool:
        """Whether `single` is about `certificate`, which has the same serial number."""
        algorithm = single.hash_algorithm
        key = (certificate.der, issuer.der, algorithm.name)
        if key not in self._ids:
            builder = ocsp.OCSPRequestBuilder().add_certificate(certificate.parsed, issuer.parsed, algorithm)
            request = builder.build()
            self._ids[key] = request.issuer_name_hash, request.issuer_key_hash
        return self._ids[key] == (single.issuer_name_hash, single.issuer_key_hash)


class Response:
    """A successful response whose answers can be listed. Raises Unusable."""

    def __init__(self, der: bytes) -> None:
        if len(der) > MAX_LENGTH:
            raise Unusable(f"it is longer than {MAX_LENGTH} bytes")
        self.der = der
        self._response = response = parsed(ocsp.load_der_ocsp_response, der)
        status = parsed(lambda: response.response_status)
        if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise Unusable(f"it is an error: {status.name}")
        self._singles = parsed(self._read_singles)
        if len(self._singles) > MAX_ANSWERS:
            raise Unusable(f"it has more than {MAX_ANSWERS} answers")

    def answers(self, certificate: Certificate, issuer: Certificate, ids: CertIds) -> Iterator[Answer]:
        """Its answers about `certificate`; none if it covers only others."""
        for serial, single in self._singles:
            if serial != certificate.serial:
                continue
            try:
                if parsed(ids.are_of, single, certificate, issuer):
                    yield Answer(self, single, None)
            except Unusable as problem:
                yield Answer(self, single, str(problem))

    def signature(self) -> Signature:
        """The maker's signature. Raises Unusable if its algorithm is not supported."""
        response = self._response
        parsed(lambda: require_verifiable(response.signature_algorithm_oid))
        return parsed(
            lambda: Signature(response.signature, response.tbs_response_bytes, response.signature_hash_algorithm)
        )

    def key_hash(self) -> Optional[bytes]:
        """The responderID, if it is byKey (RFC 6960 section 4.2.1). Raises Unusable."""
        return parsed(lambda: self._response.responder_key_hash)

    def name(self) -> Optional[x509.Name]:
        """The responderID, if it is byName; slow to parse where it is long. Raises Unusable."""
        return parsed(lambda: self._response.responder_name)

    def certificates(self) -> List[x509.Certificate]:
        """The certificates in it, of which one may be its maker's, not parsed further. Raises Unusable."""
        return parsed(lambda: list(self._response.certificates))

    def _read_singles(self) -> List[Tuple[int, _Single]]:
        # One response may cover several certificates; cryptography before 37 loads those that cover one only.
        response = self._response
        singles: Iterator[_Single] = iter(response.responses if hasattr(response, "responses") else [response])
        return [(one.serial_number, one) for one in itertools.islice(singles, MAX_ANSWERS + 1)]


def may_concern(der: bytes, certificate: Certificate) -> bool:
    """Whether a response that cannot be parsed may be about `certificate`: it contains its serial number."""
    serial = certificate.serial
    content = serial.to_bytes((serial + (serial < 0)).bit_length() // 8 + 1, "big", signed=True)
    # A DER INTEGER; RFC 5280 allows 20 bytes, and longer ones have more than one byte of length.
    head = bytes([2, len(content)]) if len(content) < 128 else b""
    return head + content in der
