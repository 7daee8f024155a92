# SPDX-License-Identifier: Apache-2.0
"""The sandbox's PKI, shaped like the real one: a signer, an intermediate, two cross-signed roots, staples.

Sandbox Root CA 1 ── signs ──> Sandbox CA 1 ──> managed-ssh-signer.REGION.DOMAIN
Sandbox Services Root G2 ── signs ──> Sandbox Root CA 1
Sandbox Class 2 Root ── signs ──> Sandbox Services Root G2

Each of the three is a self-signed root too. The chain that IMDS gives has the signer, the intermediate and both
cross-signed roots, in that order.
"""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple, Type

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_BACKDATED = datetime.timedelta(minutes=5)
_LIFETIME = datetime.timedelta(days=30)


class StapleKind(enum.Enum):
    """What is wrong with a staple, if anything."""

    GOOD = "good"
    REVOKED = "revoked"
    REVOKED_LONG_AGO = "revoked long ago"  # and stale
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
    dns_names: Sequence[str] = (),
    not_before: Optional[datetime.datetime] = None,
    serial: Optional[int] = None,
    subject: Optional[x509.Name] = None,
    identifiers: bool = True,
    extensions: Sequence[Tuple[x509.ExtensionType, bool]] = (),
    without: Sequence[Type[x509.ExtensionType]] = (),
    algorithm: Optional[hashes.HashAlgorithm] = None,
) -> Identity:
    """A certificate for `key`, in `name` (or `subject`), by `issuer` (itself, if None), valid for 30 days.

    `identifiers` says whether it has the key identifiers of RFC 5280 sections 4.2.1.1 and 4.2.1.2. Each of `extensions`
    (and whether it is critical) replaces the one of its kind, or is added; those of the kinds `without` are left out.
    SHA-256 signs, or `algorithm`.
    """
    if subject is None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing_key = issuer.key if issuer else key
    begin = not_before or utcnow() - _BACKDATED
    wanted: List[Tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=ca, path_length=None), True),
        (key_usage(digital_signature=True, key_cert_sign=ca), True),
    ]
    if identifiers:
        wanted.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
        wanted.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False))
    if usages:
        wanted.append((x509.ExtendedKeyUsage(usages), False))
    if dns_names:
        wanted.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names]), False))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + _LIFETIME)
    )
    for extension, critical in {type(one): (one, critical) for one, critical in [*wanted, *extensions]}.values():
        if type(extension) not in without:
            builder = builder.add_extension(extension, critical)
    hashed = None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else algorithm or hashes.SHA256()
    return Identity(builder.sign(signing_key, hashed), key)


def issue_server(name: str, key: Any, issuer: Optional[Identity] = None, **options: Any) -> Identity:
    """A certificate of a TLS server, as the real signer has one; `options` are those of `issue`."""
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return issue(name, key, issuer, **{"ca": False, "usages": usages, "dns_names": [name], **options})


def key_usage(*, digital_signature: bool, key_cert_sign: bool) -> x509.KeyUsage:
    """The keyUsage of a certificate; a CA's is for CRLs too."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=not digital_signature,
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
    *,
    certificates: Optional[Sequence[Identity]] = None,
    algorithm: Optional[hashes.HashAlgorithm] = None,
    responder_id: Optional[Identity] = None,
    by_name: bool = False,
    updates: Optional[Tuple[datetime.datetime, Optional[datetime.datetime]]] = None,
) -> bytes:
    """A DER OCSP response (RFC 6960) about `subject`, fresh for so many seconds, by `responder` if one is given.

    `certificates` are those within it, `responder_id` is whom it names as its maker, `updates` are thisUpdate and
    nextUpdate. SHA-256 signs, or `algorithm`.
    """
    if kind is StapleKind.REFUSED:
        return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
            serialization.Encoding.DER
        )
    this_update, next_update = updates or _updates(kind, fresh_for)
    status = {
        StapleKind.REVOKED: ocsp.OCSPCertStatus.REVOKED,
        StapleKind.REVOKED_LONG_AGO: ocsp.OCSPCertStatus.REVOKED,
        StapleKind.UNKNOWN: ocsp.OCSPCertStatus.UNKNOWN,
    }.get(kind, ocsp.OCSPCertStatus.GOOD)
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


def _updates(kind: StapleKind, fresh_for: float) -> Tuple[datetime.datetime, Optional[datetime.datetime]]:
    """thisUpdate and nextUpdate."""
    now = utcnow()
    if kind is StapleKind.STALE:
        return now - _BACKDATED, now - datetime.timedelta(seconds=1)
    if kind is StapleKind.REVOKED_LONG_AGO:
        return now - datetime.timedelta(days=400), now - datetime.timedelta(days=393)
    if kind is StapleKind.EARLY:
        return now + datetime.timedelta(minutes=10), now + datetime.timedelta(seconds=fresh_for)
    if kind is StapleKind.ENDLESS:
        return now - _BACKDATED, None
    return now - _BACKDATED, now + datetime.timedelta(seconds=fresh_for)


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

    def __init__(self, region: str, domain: str, intermediates: int = 1, signer_key: Any = None) -> None:
        self.signer_name = f"managed-ssh-signer.{region}.{domain}"
        self.oldest_root = issue("Sandbox Class 2 Root", ec_key(), ca=True)
        self.old_root = issue("Sandbox Services Root G2", ec_key(), ca=True)
        self.root = issue("Sandbox Root CA 1", ec_key(), ca=True)
        self.cross_signed_root = issue("Sandbox Root CA 1", self.root.key, self.old_root, ca=True)
        self.cross_signed_old_root = issue("Sandbox Services Root G2", self.old_root.key, self.oldest_root, ca=True)
        self.intermediates: List[Identity] = []
        above = self.root
        for number in range(1, intermediates + 1):
            above = issue(f"Sandbox CA {number}", ec_key(), above, ca=True)
            self.intermediates.insert(0, above)
        self.signer = self._new_signer(self.signer_name, signer_key or rsa_key())

    def _new_signer(self, name: str, key: Any) -> Identity:
        return issue_server(name, key, self.intermediates[0] if self.intermediates else self.root)

    def rotate_signer(self) -> None:
        """A new key and certificate for the signer, by the same intermediate."""
        self.signer = self._new_signer(self.signer_name, rsa_key())

    def unfit_signer(self) -> Identity:
        """A certificate in the signer's name that is a TLS client's, for another host."""
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        issuer = self.issuers()[0]
        return issue(self.signer_name, self.signer.key, issuer, ca=False, usages=usages, dns_names=["x.example.net"])

    def misnamed_signer(self) -> Identity:
        """A genuine signer of a region that is not this one."""
        return self._new_signer("managed-ssh-signer.us-east-2.example.com", self.signer.key)

    def chain(self, signer: Optional[Identity] = None) -> List[Identity]:
        """What `signer-cert` gives: signer first, the cross-signed roots last."""
        return [signer or self.signer, *self.intermediates, self.cross_signed_root, self.cross_signed_old_root]

    def issuers(self) -> List[Identity]:
        """The issuer of each certificate of `chain`."""
        return [*self.intermediates, self.root, self.old_root, self.oldest_root]

    @staticmethod
    def sign(signer: Identity, data: bytes) -> bytes:
        """RSASSA-PSS, SHA-256, MGF1 with SHA-256, a salt of 32 bytes."""
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        signature: bytes = signer.key.sign(data, pss, hashes.SHA256())
        return signature
