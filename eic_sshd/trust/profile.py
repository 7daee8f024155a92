# SPDX-License-Identifier: Apache-2.0
"""What a certificate on the signer's path must be like where OpenSSL is more lenient than the standards.

RFC 5280 ("Internet X.509 Public Key Infrastructure Certificate and CRL Profile"), and the CA/Browser Forum's Baseline
Requirements for TLS server certificates ("BR"), section 7.1. These rules only refuse: whether the certificates make a
path, and whether the path may be used for a TLS server, is OpenSSL's decision.
"""

from __future__ import annotations

import re
from typing import Iterator, List

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .certificate import Certificate, PublicKey, Unusable
from .signatures import issued

MIN_RSA_BITS = 2048
# Verification costs time that grows with the square of the length; no CA of the public PKI has a longer key.
MAX_RSA_BITS = 8192
# OpenSSL takes no longer exponent either where the modulus is long.
_MAX_RSA_EXPONENT_BITS = 64
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_MAX_SERIAL_BITS = 159  # 20 octets, as a positive INTEGER (RFC 5280 section 4.1.2.2)
# A host name as RFC 5280 section 4.2.1.6 wants it: labels of letters, digits and hyphens, the last one no number.
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+$){_LABEL}")


def require_sound(certificate: Certificate) -> None:
    """`certificate` (any on the path) has a version and a key that may be used. Raises Unusable."""
    if certificate.version != 3:
        raise Unusable(f"it is an X.509 certificate of version {certificate.version}, not 3")
    _require_key(certificate.key)


def _require_key(key: PublicKey) -> None:
    if isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS or key.key_size % 8:
            raise Unusable(f"its RSA key has {key.key_size} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS} in whole bytes")
        if key.public_numbers().e.bit_length() > _MAX_RSA_EXPONENT_BITS:
            raise Unusable(f"its RSA key's exponent has more than {_MAX_RSA_EXPONENT_BITS} bits")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, _CURVES):
            raise Unusable(f"its key is on the curve {key.curve.name}, not on P-256, P-384 or P-521")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise Unusable("its key is neither RSA, ECDSA nor Ed25519")


def require_issued(certificate: Certificate) -> None:
    """`certificate`, which is not the root, has a serial number and an authority key identifier. Raises Unusable."""
    if certificate.serial <= 0 or certificate.serial.bit_length() > _MAX_SERIAL_BITS:
        raise Unusable("its serial number is not a positive one of at most 20 octets")
    _require_authority_key_identifier(certificate)


def require_authority(certificate: Certificate) -> None:
    """`certificate`, of a CA and not the signer's, meets RFC 5280's profile of a CA. Raises Unusable."""
    if not list(certificate.subject):
        raise Unusable("it is a CA without a subject")
    constraints = certificate.extension(x509.BasicConstraints)
    if constraints is None or not constraints.critical or not constraints.value.ca:
        raise Unusable("it has no critical basicConstraints that say it is a CA")
    if certificate.extension(x509.SubjectKeyIdentifier) is None:
        raise Unusable("it is a CA without a subjectKeyIdentifier")
    policy = certificate.extension(x509.PolicyConstraints)
    if policy is not None and not policy.critical:
        raise Unusable("its policyConstraints are not critical")
    names = certificate.extension(x509.NameConstraints)
    if names is not None:
        _require_name_constraints(names)


def require_root(certificate: Certificate) -> None:
    """`certificate`, which a path ends at, is a root as the BR have it, or one that another CA issued."""
    if not issued(certificate, certificate, weak=True):  # its own signature proves nothing: any hash will do
        _require_authority_key_identifier(certificate)
        return
    if certificate.extension(x509.ExtendedKeyUsage) is not None:
        raise Unusable("it is a root with an extendedKeyUsage")
    identifier = certificate.extension(x509.AuthorityKeyIdentifier)
    own = certificate.extension(x509.SubjectKeyIdentifier)
    if identifier is not None and (
        own is None
        or identifier.value.key_identifier != own.value.digest
        or identifier.value.authority_cert_issuer is not None
        or identifier.value.authority_cert_serial_number is not None
    ):
        raise Unusable("it is a root whose authorityKeyIdentifier names another key")


def require_server(certificate: Certificate) -> None:
    """`certificate` is a TLS server's, and no CA's. Raises Unusable."""
    constraints = certificate.extension(x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise Unusable("it is a CA's")
    if certificate.extension(x509.NameConstraints) is not None:
        raise Unusable("it has nameConstraints, which are for a CA")
    usage = certificate.extension(x509.KeyUsage)
    if usage is not None and (not usage.value.digital_signature or usage.value.key_cert_sign):
        raise Unusable("its keyUsage is not for digital signatures, or is for certificates")
    extended = certificate.extension(x509.ExtendedKeyUsage)
    if extended is None or ExtendedKeyUsageOID.SERVER_AUTH not in extended.value:
        raise Unusable("its extendedKeyUsage is not for TLS servers (serverAuth)")
    if extended.critical or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in extended.value:
        raise Unusable("its extendedKeyUsage is critical, or is for anything")


def require_name(certificate: Certificate, name: str) -> None:
    """`name` is a dNSName of `certificate`, byte for byte: no wildcard, no other case, no CN in place of it.

    Raises Unusable, also if any other of its names is not one that a TLS server's certificate may have.
    """
    alternatives = certificate.extension(x509.SubjectAlternativeName)
    names: List[str] = alternatives.value.get_values_for_type(x509.DNSName) if alternatives is not None else []
    if alternatives is None or name not in names:
        raise Unusable(f"its dNSNames are {names!r:.200}, {name!r} is not among them")
    if alternatives.critical != (not list(certificate.subject)):
        raise Unusable("its subjectAltName is critical though it has a subject, or not critical though it has none")
    for one in names:
        if not _HOST_NAME.fullmatch(one[2:] if one.startswith("*.") else one):
            raise Unusable(f"its dNSName {one[:80]!r} is no host name")
    for common in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        if common.value not in names:
            raise Unusable(f"its CN {common.value[:80]!r} is not among its dNSNames")


def _require_authority_key_identifier(certificate: Certificate) -> None:
    identifier = certificate.extension(x509.AuthorityKeyIdentifier)
    if identifier is None or identifier.value.key_identifier is None:
        raise Unusable("it has no authorityKeyIdentifier with a key identifier")


def _require_name_constraints(names: x509.Extension[x509.NameConstraints]) -> None:
    if not names.critical:
        raise Unusable("its nameConstraints are not critical")
    subtrees = [*(names.value.permitted_subtrees or ()), *(names.value.excluded_subtrees or ())]
    if not subtrees:
        raise Unusable("its nameConstraints constrain nothing")
    for base in _dns_names(subtrees):
        if base and not _HOST_NAME.fullmatch(base):
            raise Unusable(f"its nameConstraints have {base[:80]!r}, which is no domain")


def _dns_names(names: List[x509.GeneralName]) -> Iterator[str]:
    return (one.value for one in names if isinstance(one, x509.DNSName))
