# SPDX-License-Identifier: Apache-2.0
"""Verifies signatures of certificates and OCSP responses, with hashes that are still strong."""

from __future__ import annotations

from typing import Optional

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import SignatureAlgorithmOID as Oid

from .certificate import Certificate, PublicKey, Unusable, parsed

_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
# Signature algorithms that `_verify` supports (RFC 4055, RFC 5758, RFC 8410).
_VERIFIABLE = (
    Oid.RSA_WITH_SHA1, Oid.RSA_WITH_SHA224, Oid.RSA_WITH_SHA256, Oid.RSA_WITH_SHA384, Oid.RSA_WITH_SHA512,
    Oid.ECDSA_WITH_SHA1, Oid.ECDSA_WITH_SHA224, Oid.ECDSA_WITH_SHA256, Oid.ECDSA_WITH_SHA384, Oid.ECDSA_WITH_SHA512,
    Oid.ED25519,
)  # fmt: skip


def require_signed_by(
    key: PublicKey, signature: bytes, signed: bytes, algorithm: Optional[hashes.HashAlgorithm], *, weak: bool = False
) -> None:
    """Raises Unusable unless `key` made `signature` over `signed`, with RSA PKCS #1 v1.5, ECDSA or Ed25519.

    `algorithm` is the hash that the signature's algorithm names; SHA-1 and older ones are refused unless `weak`.
    """
    if not weak and not is_strong(key, algorithm):
        raise Unusable("it is signed with a hash that is too weak")
    parsed(_verify, key, signature, signed, algorithm)


def is_strong(key: PublicKey, algorithm: Optional[hashes.HashAlgorithm]) -> bool:
    """Whether a signature by such a key with that hash is as good as one of SHA-256."""
    return isinstance(key, ed25519.Ed25519PublicKey) or isinstance(algorithm, _HASHES)


def require_verifiable(algorithm: ObjectIdentifier) -> None:
    """Raises Unusable for a signature algorithm that is not supported."""
    if algorithm not in _VERIFIABLE:
        raise Unusable(f"it is signed with an algorithm that is not supported ({algorithm.dotted_string})")


def is_signed_by(key: PublicKey, signature: bytes, signed: bytes, algorithm: Optional[hashes.HashAlgorithm]) -> bool:
    """Whether `key` made `signature`, with any hash. Raises Unusable if this machine cannot verify it."""
    try:
        parsed(_verify, key, signature, signed, algorithm)
    except Unusable as problem:
        if problem.__cause__ is None or isinstance(problem.__cause__, InvalidSignature):
            return False  # by another key, perhaps one of another kind
        raise
    return True


def _verify(key: PublicKey, signature: bytes, signed: bytes, algorithm: Optional[hashes.HashAlgorithm]) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, signed)
    elif algorithm is None:
        raise Unusable("its signature names no hash")
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(algorithm))
    else:
        raise Unusable("its signature is neither RSA, ECDSA nor Ed25519")


def issued(issuer: Certificate, certificate: Certificate, *, weak: bool = False) -> bool:
    """Whether `certificate` is in the name of `issuer` and has its signature (not whether it may issue any)."""
    if certificate.issuer != issuer.subject:
        return False
    try:
        require_signed_by(issuer.key, certificate.signature, certificate.signed, certificate.signature_hash, weak=weak)
    except Unusable:
        return False
    return True
