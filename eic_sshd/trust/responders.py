# SPDX-License-Identifier: Apache-2.0
"""Who made an OCSP response: the certificate's issuer, or a responder that it delegated to (RFC 6960 section 4.2.2.2).

A delegate's certificate may be in any of the responses. It is parsed only after the issuer's signature on it is
verified, and a responder's name only after the responder's signature: unsigned data costs no more than that check.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from .certificate import Certificate, PublicKey, Unusable, parsed, read
from .ocsp_response import Response, Signature, Undecided
from .signatures import is_signed_by, require_verifiable

# Certificates that may be a delegate's, and signatures that are verified, over all responses.
MAX_CERTIFICATES = 16
MAX_SIGNATURES = 128


class Responders:
    """The makers of `responses`."""

    def __init__(self, responses: Sequence[Response]) -> None:
        self._responses = responses
        self._signatures = 0
        self._makers: Dict[Tuple[bytes, bytes], Union[Certificate, Unusable]] = {}
        self._delegates: Dict[bytes, List[Certificate]] = {}
        self._certificates: Optional[Dict[bytes, x509.Certificate]] = None
        self._unread: Optional[str] = None

    def maker(self, response: Response, issuer: Certificate) -> Certificate:
        """The maker: `issuer`, or a responder that it ever authorized.

        Raises Unusable if it is neither, Undecided if that cannot be determined.
        """
        key = (response.der, issuer.der)
        if key not in self._makers:
            try:
                self._makers[key] = self._find_maker(response, issuer)
            except Unusable as problem:
                self._makers[key] = problem
        made = self._makers[key]
        if isinstance(made, Unusable):
            raise made
        return made

    def _find_maker(self, response: Response, issuer: Certificate) -> Certificate:
        try:
            signature, key_hash = response.signature(), response.key_hash()
            for maker in self._possible_makers(issuer):
                if key_hash is not None and key_hash != maker.key_id:
                    continue
                if self._is_signed(maker.key, signature) and (key_hash is not None or response.name() == maker.subject):
                    return maker
        except Unusable as problem:
            raise Undecided(f"its maker cannot be determined: {problem}") from problem
        if self._unread is not None:
            raise Undecided(f"it was not made by the certificate's issuer, and {self._unread}")
        raise Unusable("it was made neither by the certificate's issuer nor by a responder of the issuer's")

    def _possible_makers(self, issuer: Certificate) -> Iterator[Certificate]:
        yield issuer
        if issuer.der not in self._delegates:  # only if the issuer itself is not the maker
            self._delegates[issuer.der] = list(self._find_delegates(issuer))
        yield from self._delegates[issuer.der]

    def _find_delegates(self, issuer: Certificate) -> Iterator[Certificate]:
        if self._certificates is None:
            self._certificates = self._find_certificates()
        for der, certificate in self._certificates.items():
            try:
                if self._is_signed(issuer.key, _signature_of(certificate)):
                    delegate = read(der)
                    if delegate.issuer == issuer.subject and _is_responder(delegate):
                        yield delegate
            except Unusable as problem:
                self._unread = f"a certificate in the staples cannot be used: {problem}"

    def _find_certificates(self) -> Dict[bytes, x509.Certificate]:
        """The certificates in the responses, by their DER."""
        found: Dict[bytes, x509.Certificate] = {}
        for response in self._responses:
            try:
                for certificate in response.certificates():
                    der = parsed(certificate.public_bytes, Encoding.DER)
                    if der not in found and len(found) == MAX_CERTIFICATES:
                        self._unread = f"the staples have more than {MAX_CERTIFICATES} certificates"
                        return found
                    found[der] = certificate
            except Unusable as problem:
                self._unread = f"the certificates of a staple cannot be used: {problem}"
        return found

    def _is_signed(self, key: PublicKey, by: Signature) -> bool:
        if self._signatures == MAX_SIGNATURES:
            raise Unusable(f"more than {MAX_SIGNATURES} signatures would have to be verified")
        self._signatures += 1
        return is_signed_by(key, by.signature, by.signed, by.hash)


def _signature_of(certificate: x509.Certificate) -> Signature:
    parsed(lambda: require_verifiable(certificate.signature_algorithm_oid))
    return parsed(
        lambda: Signature(
            certificate.signature, certificate.tbs_certificate_bytes, certificate.signature_hash_algorithm
        )
    )


def _is_responder(certificate: Certificate) -> bool:
    usage = certificate.extension(x509.ExtendedKeyUsage)
    return usage is not None and ExtendedKeyUsageOID.OCSP_SIGNING in usage.value
