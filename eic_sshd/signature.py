# SPDX-License-Identifier: Apache-2.0
"""Whether one key signed something: certificates and OCSP responses, with hashes that still count."""

from __future__ import annotations

from typing import Any, Optional

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

# What a certificate or a response that cannot be parsed or verified raises in cryptography.
UNUSABLE = (
    InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, x509.InvalidVersion, x509.UnsupportedGeneralNameType,
    x509.DuplicateExtension,
)  # fmt: skip
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def require_signed_by(key: Any, signature: bytes, signed: bytes, algorithm: Optional[hashes.HashAlgorithm]) -> None:
    """Raises one of UNUSABLE unless `key` made `signature` over `signed`, with RSA PKCS #1 v1.5, ECDSA or Ed25519.

    `algorithm` is the hash that the signature's algorithm names; SHA-1 and older ones are refused.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, signed)
    elif not isinstance(algorithm, _HASHES):
        raise TypeError("signed with a hash that is too weak")
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(algorithm))
    else:
        raise TypeError("neither an RSA, an ECDSA nor an Ed25519 key")


def issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether `certificate` is in the name of `issuer` and bears its signature (not that it may issue any)."""
    if certificate.issuer != issuer.subject:
        return False
    try:
        require_signed_by(
            issuer.public_key(),
            certificate.signature,
            certificate.tbs_certificate_bytes,
            certificate.signature_hash_algorithm,
        )
    except UNUSABLE:
        return False
    return True
