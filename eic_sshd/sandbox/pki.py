# SPDX-License-Identifier: Apache-2.0
"""The sandbox's PKI, shaped like the real one: a root and its cross-signed twin, intermediates, a signer, staples.

Sandbox Old Root ── signs ──> Sandbox Root CA 1 (the twin that ends the chain IMDS gives)
Sandbox Root CA 1 ── signs ──> Sandbox CA 1 ──> Sandbox CA 2 ──> managed-ssh-signer.REGION.DOMAIN
"""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from typing import Any, List, Optional, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_BACKDATED = datetime.timedelta(minutes=5)
_LIFETIME = datetime.timedelta(days=30)


class StapleKind(enum.Enum):
    """What is wrong with a staple, if anything."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    STALE = "stale"
    EARLY = "early"
    ENDLESS = "endless"  # no nextUpdate
    FOREIGN = "foreign"  # signed by a key that has no say
    DELEGATED = "delegated"  # good, and signed by the issuer's responder
    UNDELEGATED = "undelegated"  # signed by a certificate of the issuer's that is no responder
    REFUSED = "refused"  # an error response


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def utcnow() -> datetime.datetime:
    """Now as naive UTC, which every version of cryptography's builders takes."""
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def issue(
    name: str,
    key: Any,
    issuer: Optional[Identity] = None,
    *,
    ca: bool,
    usages: Sequence[x509.ObjectIdentifier] = (),
    not_before: Optional[datetime.datetime] = None,
    serial: Optional[int] = None,
    subject: Optional[x509.Name] = None,
    identifiers: bool = True,
) -> Identity:
    """A certificate for `key`, in `name` (or `subject`), by `issuer` (itself, if None), valid for 30 days.

    `identifiers` says whether it has the key identifiers of RFC 5280 sections 4.2.1.1 and 4.2.1.2.
    """
    subject = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing_key = issuer.key if issuer else key
    begin = not_before or utcnow() - _BACKDATED
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(_key_usage(ca), critical=True)
    )
    if identifiers:
        own, above = key.public_key(), signing_key.public_key()
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return Identity(builder.sign(signing_key, hashes.SHA256()), key)


def _key_usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def staple(
    kind: StapleKind,
    subject: Identity,
    issuer: Identity,
    fresh_for: float = 3600,
    responder: Optional[Identity] = None,
) -> bytes:
    """A DER OCSP response (RFC 6960) about `subject`, fresh for so many seconds, by `responder` if one is given."""
    if kind is StapleKind.REFUSED:
        return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
            serialization.Encoding.DER
        )
    now = utcnow()
    this_update = now - _BACKDATED
    next_update: Optional[datetime.datetime] = now + datetime.timedelta(seconds=fresh_for)
    if kind is StapleKind.STALE:
        next_update = now - datetime.timedelta(seconds=1)
    elif kind is StapleKind.EARLY:
        this_update = now + datetime.timedelta(minutes=10)
    elif kind is StapleKind.ENDLESS:
        next_update = None
    status = {
        StapleKind.REVOKED: ocsp.OCSPCertStatus.REVOKED,
        StapleKind.UNKNOWN: ocsp.OCSPCertStatus.UNKNOWN,
    }.get(kind, ocsp.OCSPCertStatus.GOOD)
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    responder = responder or _responder(kind, issuer)
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
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    )
    if responder is not issuer:
        builder = builder.certificates([responder.certificate])
    return builder.sign(responder.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _responder(kind: StapleKind, issuer: Identity) -> Identity:
    key = ec_key()
    if kind is StapleKind.FOREIGN:
        return issue("Foreign Responder", key, ca=False, usages=[ExtendedKeyUsageOID.OCSP_SIGNING])
    if kind is StapleKind.DELEGATED:
        return issue("Sandbox Responder", key, issuer, ca=False, usages=[ExtendedKeyUsageOID.OCSP_SIGNING])
    if kind is StapleKind.UNDELEGATED:
        return issue("Sandbox Server", key, issuer, ca=False, usages=[ExtendedKeyUsageOID.SERVER_AUTH])
    return issuer


class Pki:
    """The certificates of one region, and the keys behind them."""

    def __init__(self, region: str, domain: str, intermediates: int = 2, signer_key: Any = None) -> None:
        self.signer_name = f"managed-ssh-signer.{region}.{domain}"
        self.old_root = issue("Sandbox Old Root", ec_key(), ca=True)
        self.root = issue("Sandbox Root CA 1", ec_key(), ca=True)
        self.cross_signed_root = issue("Sandbox Root CA 1", self.root.key, self.old_root, ca=True)
        self.intermediates: List[Identity] = []
        above = self.root
        for number in range(1, intermediates + 1):
            above = issue(f"Sandbox CA {number}", ec_key(), above, ca=True)
            self.intermediates.insert(0, above)
        self.signer = self._new_signer(self.signer_name, signer_key or rsa_key())

    def _new_signer(self, name: str, key: Any) -> Identity:
        issuer = self.intermediates[0] if self.intermediates else self.root
        return issue(name, key, issuer, ca=False, usages=[ExtendedKeyUsageOID.SERVER_AUTH])

    def rotate_signer(self) -> None:
        """A new key and certificate for the signer, by the same intermediate."""
        self.signer = self._new_signer(self.signer_name, rsa_key())

    def misnamed_signer(self) -> Identity:
        """A genuine signer of a region that is not this one."""
        return self._new_signer("managed-ssh-signer.us-east-2.example.com", self.signer.key)

    def chain(self, signer: Optional[Identity] = None) -> List[Identity]:
        """What `signer-cert` gives: signer first, the cross-signed root last."""
        return [signer or self.signer, *self.intermediates, self.cross_signed_root]

    def issuers(self) -> List[Identity]:
        """The issuer of each certificate of `chain`."""
        return [*self.intermediates, self.root, self.old_root]

    @staticmethod
    def sign(signer: Identity, data: bytes) -> bytes:
        """RSASSA-PSS, SHA-256, MGF1 with SHA-256, a salt of 32 bytes."""
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        signature: bytes = signer.key.sign(data, pss, hashes.SHA256())
        return signature
