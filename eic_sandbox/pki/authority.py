# SPDX-License-Identifier: Apache-2.0
"""The sandbox's PKI, of the real one's shape: a signer, an intermediate, two cross-signed roots.

Sandbox Root CA 1 ── signs ──> Sandbox CA 1 ──> managed-ssh-signer.REGION.DOMAIN
Sandbox Services Root G2 ── signs ──> Sandbox Root CA 1
Sandbox Class 2 Root ── signs ──> Sandbox Services Root G2

Each of the three roots has a self-signed certificate too. signer-cert has the signer, the intermediate and both
cross-signed roots, in that order.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple, Type, Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BACKDATED = datetime.timedelta(minutes=5)
_LIFETIME = datetime.timedelta(days=30)

PrivateKey = Union[rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey]


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class RsaIdentity(Identity):
    """A certificate and its RSA key, which the signer of pushed keys has."""

    key: rsa.RSAPrivateKey


def utcnow() -> datetime.datetime:
    """Now as naive UTC, which every version of cryptography's builders takes."""
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new RSA key with the usual exponent, 65537."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new key on the curve P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def issue(
    name: str,
    key: PrivateKey,
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
    """A certificate for `key` named `name` (or `subject`), by `issuer` (default: self-signed), valid for 30 days.

    `identifiers` adds the key identifiers of RFC 5280 sections 4.2.1.1 and 4.2.1.2. Each of `extensions`, with its
    criticality, replaces the extension of its type or is added; types in `without` are left out. The signature is over
    SHA-256, or `algorithm`.
    """
    if subject is None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing_key = issuer.key if issuer else key
    begin = not_before or utcnow() - BACKDATED
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


def issue_server(name: str, key: PrivateKey, issuer: Optional[Identity] = None, **options: Any) -> Identity:
    """A TLS server's certificate, as the real signer has; `options` are those of `issue`."""
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return issue(name, key, issuer, **{"ca": False, "usages": usages, "dns_names": [name], **options})


def key_usage(*, digital_signature: bool, key_cert_sign: bool) -> x509.KeyUsage:
    """A KeyUsage extension; that of a CA allows signing CRLs too."""
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


class Pki:
    """The certificates of one region, and the keys behind them."""

    def __init__(
        self, region: str, domain: str, intermediates: int = 1, signer_key: Optional[rsa.RSAPrivateKey] = None
    ) -> None:
        self._region = region
        self._domain = domain
        self.signer_name = f"managed-ssh-signer.{region}.{domain}"
        self.oldest_root = issue("Sandbox Class 2 Root", ec_key(), ca=True)
        self.old_root = issue("Sandbox Services Root G2", ec_key(), ca=True)
        self.root = issue("Sandbox Root CA 1", ec_key(), ca=True)
        self.cross_signed_root = issue("Sandbox Root CA 1", self.root.key, self.old_root, ca=True)
        self.cross_signed_old_root = issue("Sandbox Services Root G2", self.old_root.key, self.oldest_root, ca=True)
        self.intermediates: List[Identity] = []
        issuer: Identity = self.root
        for number in range(1, intermediates + 1):
            issuer = issue(f"Sandbox CA {number}", ec_key(), issuer, ca=True)
            self.intermediates.insert(0, issuer)
        self.signer = self._new_signer(self.signer_name, signer_key or rsa_key())

    def _new_signer(self, name: str, key: rsa.RSAPrivateKey) -> RsaIdentity:
        made = issue_server(name, key, self.intermediates[0] if self.intermediates else self.root)
        return RsaIdentity(made.certificate, key)

    def with_other_roots(self) -> Pki:
        """A PKI with the same names and the same signer key under roots of its own."""
        return Pki(self._region, self._domain, len(self.intermediates), self.signer.key)

    def rotate_signer(self) -> None:
        """Replace the signer's key and certificate; the same intermediate issues the new certificate."""
        self.signer = self._new_signer(self.signer_name, rsa_key())

    def unfit_signer(self) -> RsaIdentity:
        """A certificate with the signer's common name that is for TLS clients, with another host's DNS name."""
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        key, issuer = self.signer.key, self.issuers()[0]
        made = issue(self.signer_name, key, issuer, ca=False, usages=usages, dns_names=["x.example.net"])
        return RsaIdentity(made.certificate, key)

    def expired_signer(self) -> RsaIdentity:
        """A signer whose certificate has expired."""
        begin = utcnow() - _LIFETIME - datetime.timedelta(days=1)
        made = issue_server(self.signer_name, self.signer.key, self.issuers()[0], not_before=begin)
        return RsaIdentity(made.certificate, self.signer.key)

    def misnamed_signer(self) -> RsaIdentity:
        """A signer for another region and another domain."""
        return self._new_signer("managed-ssh-signer.us-east-2.example.com", self.signer.key)

    def chain(self, signer: Optional[Identity] = None) -> List[Identity]:
        """The certificates of signer-cert: the signer first, the cross-signed roots last."""
        return [signer or self.signer, *self.intermediates, self.cross_signed_root, self.cross_signed_old_root]

    def issuers(self) -> List[Identity]:
        """The issuer of each certificate of `chain`."""
        return [*self.intermediates, self.root, self.old_root, self.oldest_root]

    @staticmethod
    def sign(signer: RsaIdentity, data: bytes) -> bytes:
        """RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes."""
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        return signer.key.sign(data, pss, hashes.SHA256())
