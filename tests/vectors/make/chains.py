# SPDX-License-Identifier: Apache-2.0
"""chains/: what IMDS gives as signer-cert. Staples are not required here."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eic_sandbox.pki.authority import Identity, ec_key, issue, key_usage, rsa_key

from .folder import Folder, Value
from .pki import BEGIN, DAY, MOMENT, NAME, SECOND, Pki, authority, pem, server

_LIFETIME = 30 * DAY
_UNTRUSTED, _MISNAMED = "signer-untrusted", "signer-name-mismatch"
_UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)


class Chains:
    """Adds the cases of the folder."""

    def __init__(self, folder: Folder, pki: Pki) -> None:
        self._folder = folder
        self._pki = pki

    def make(self) -> None:
        """All of them."""
        self._accepted()
        self._names()
        self._signers()
        self._authorities()
        self._paths()

    def _case(self, name: str, content: bytes, why: str, reason: str = "granted", **members: Value) -> None:
        self._folder.case(name, why, chain=self._folder.write(f"{name}.pem", content), reason=reason, **members)

    def _again(self, name: str, why: str, reason: str = "granted", **members: Value) -> None:
        """The valid chain, with other roots."""
        self._folder.case(name, why, chain="chains/valid.pem", reason=reason, **members)

    def _signer(self, name: str, why: str, reason: str, host: str = NAME, **options: Any) -> None:
        """A chain that differs from the valid one in its signer."""
        made = server(host, self._pki.key, self._pki.intermediate, **options)
        self._case(name, self._pki.chain(made), why, reason)

    def _authority(self, name: str, why: str, reason: str, **options: Any) -> None:
        """A chain that differs from the valid one in its intermediate."""
        issuer = authority("Vector CA", self._pki.root, **options)
        self._case(name, pem([server(NAME, self._pki.key, issuer), issuer]), why, reason)

    def _accepted(self) -> None:
        pki = self._pki
        signer, intermediate, cross = pki.signer, pki.intermediate, pki.cross_signed_root
        stranger = authority("Stranger")
        self._case("valid", pki.chain(), "All rules hold.")
        strict = "A strict check (openssl verify -x509_strict) as well."
        self._again("valid-below-a-public-root", strict, roots_are_public=True)
        for root, why in (
            ("old-root", "The path goes over the cross-signed root."),
            ("intermediate", "A site may name an intermediate as its root."),
        ):
            self._again(f"valid-below-the-{root}", why, roots=[f"chains/roots/{root}.pem"])
        self._case("without-the-cross-signed-root", pem([signer, intermediate]), "The root need not be sent.")
        self._case("in-another-order", pem([signer, cross, stranger, intermediate]), "Only the signer has a place.")
        repeated = [one for one in (signer, intermediate, cross) for _ in range(4)]
        self._case("each-certificate-four-times", pem(repeated), "Equal certificates count once.")
        text = b"# comment\n" + signer.pem + b"\ntext between\n" + intermediate.pem + b"text behind\n"
        self._case("text-around-the-certificates", text, "What is not PEM is skipped.")
        junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        self._case("unreadable-certificate-behind", pki.chain() + junk, "What is not on the path may be anything.")
        strangers = [authority(f"Stranger {number}") for number in range(8)]
        self._case("of-ten-certificates", pem([signer, intermediate, *strangers]), "At most ten certificates.")
        begin = MOMENT - _LIFETIME + SECOND
        self._signer("signer-in-its-last-second", "now < notAfter", "granted", not_before=begin)
        self._signer("signer-in-its-first-second", "notBefore <= now", "granted", not_before=MOMENT)

        for region, domain in (("cn-north-1", "amazonaws.com.cn"), ("eusc-de-east-1", "amazonaws.eu")):
            made = server(f"managed-ssh-signer.{region}.{domain}", pki.key, intermediate)
            self._case(f"valid-in-{region}", pki.chain(made), "The signer's name has region and domain.",
                       region=region, domain=domain)  # fmt: skip

    def _names(self) -> None:
        elsewhere = "managed-ssh-signer.us-east-2.example.com"
        self._signer("signer-of-another-region", "The CN is this region's.", _MISNAMED, NAME.replace("west", "east"))
        self._signer("signer-of-another-domain", "The CN is this domain's.", _MISNAMED, elsewhere)
        self._signer("signer-name-with-more-behind", "The CN is the whole name.", _MISNAMED, f"{NAME}.example.com")
        self._signer("signer-name-in-capitals", "The CN is compared byte for byte.", _MISNAMED, NAME.upper())
        san = "A dNSName is the signer's name."
        wildcard = NAME.replace("managed-ssh-signer", "*")
        self._signer("signer-without-the-dns-name", san, _MISNAMED, dns_names=["x.example.net"])
        self._signer("signer-without-alternative-names", san, _MISNAMED, without=[x509.SubjectAlternativeName])
        self._signer("signer-with-a-wildcard", "No wildcard.", _MISNAMED, dns_names=[wildcard])
        self._signer("signer-with-a-name-that-is-no-host", "Each dNSName is a host name.", _MISNAMED,
                     dns_names=[NAME, "no_host.example.com"])  # fmt: skip
        two = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one) for one in (NAME, elsewhere)])
        self._signer("signer-with-two-common-names", "One CN.", _MISNAMED, subject=two)
        intermediate_first = pem([self._pki.intermediate, self._pki.signer])
        self._case("intermediate-first", intermediate_first, "The signer comes first.", _MISNAMED)
        names = x509.SubjectAlternativeName([x509.DNSName(NAME)])
        self._signer("signer-with-critical-alternative-names", "RFC 5280 section 4.2.1.6", _MISNAMED,
                     extensions=[(names, True)])  # fmt: skip

    def _signers(self) -> None:
        client, anything = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
        both = [ExtendedKeyUsageOID.SERVER_AUTH, anything]
        critical = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        certificates = key_usage(digital_signature=True, key_cert_sign=True)
        no_signatures = key_usage(digital_signature=False, key_cert_sign=False)
        cases: Dict[str, Dict[str, Any]] = {
            "signer-for-tls-clients": {"usages": [client]},
            "signer-for-no-purpose": {"without": [x509.ExtendedKeyUsage]},
            "signer-for-any-purpose": {"usages": both},
            "signer-with-a-critical-purpose": {"extensions": [(critical, True)]},
            "signer-that-is-a-ca": {"extensions": [(x509.BasicConstraints(ca=True, path_length=None), True)]},
            "signer-for-certificates": {"extensions": [(certificates, True)]},
            "signer-for-no-signatures": {"extensions": [(no_signatures, True)]},
            "signer-with-an-unknown-critical-extension": {"extensions": [_UNKNOWN]},
            "signer-without-authority-key-identifier": {"without": [x509.AuthorityKeyIdentifier]},
            "signer-with-name-constraints": {
                "extensions": [(x509.NameConstraints([x509.DNSName("amazonaws.com")], None), True)]
            },
            "signer-at-its-end": {"not_before": MOMENT - _LIFETIME},
            "signer-a-second-before-its-begin": {"not_before": MOMENT + SECOND},
        }
        for name, options in cases.items():
            self._signer(name, "The signer is a TLS server's, valid now, and no CA's.", _UNTRUSTED, **options)
        intermediate = self._pki.intermediate
        elliptic = issue(NAME, ec_key(), intermediate, ca=False, usages=[ExtendedKeyUsageOID.SERVER_AUTH],
                         dns_names=[NAME], not_before=BEGIN)  # fmt: skip
        self._case("signer-with-an-elliptic-key", self._pki.chain(elliptic), "The signer's key is RSA.", _UNTRUSTED)
        weak = server(NAME, rsa_key(1024), intermediate)
        self._case("signer-with-a-short-key", self._pki.chain(weak), "RSA keys have 2048 to 8192 bits.", _UNTRUSTED)
        self_signed = server(NAME, self._pki.key, None)
        self._case("self-signed-signer", pem([self_signed]), "The signer chains to a trusted root.", _UNTRUSTED)

    def _authorities(self) -> None:
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        mail = [ExtendedKeyUsageOID.EMAIL_PROTECTION]
        elsewhere = x509.NameConstraints([x509.DNSName("example.com")], None)
        here = x509.NameConstraints([x509.DNSName("amazonaws.com")], None)
        cases: Dict[str, Dict[str, Any]] = {
            "intermediate-that-is-no-ca": {"ca": False},
            "intermediate-with-basic-constraints-not-critical": {"extensions": [(constraints, False)]},
            "intermediate-without-basic-constraints": {"without": [x509.BasicConstraints]},
            "intermediate-without-subject-key-identifier": {"without": [x509.SubjectKeyIdentifier]},
            "intermediate-without-authority-key-identifier": {"without": [x509.AuthorityKeyIdentifier]},
            "intermediate-for-no-certificates": {
                "extensions": [(key_usage(digital_signature=True, key_cert_sign=False), True)]
            },
            "intermediate-for-mail": {"usages": mail},
            "intermediate-with-an-unknown-critical-extension": {"extensions": [_UNKNOWN]},
            "intermediate-for-another-domain": {"extensions": [(elsewhere, True)]},
            "intermediate-with-name-constraints-not-critical": {"extensions": [(here, False)]},
            "intermediate-with-a-short-key": {"key": rsa_key(1024)},
            "intermediate-expired": {"not_before": MOMENT - _LIFETIME},
        }
        for name, options in cases.items():
            self._authority(name, "An issuer is a CA that may issue a TLS server's.", _UNTRUSTED, **options)
        self._authority("intermediate-for-this-domain", "Name constraints.", "granted", extensions=[(here, True)])
        self._authority("intermediate-for-servers", "A CA may be limited to TLS servers.", "granted",
                        usages=[ExtendedKeyUsageOID.SERVER_AUTH])  # fmt: skip
        self._authority("intermediate-with-an-ed25519-key", "RSA, ECDSA and Ed25519 issue.", "granted",
                        key=ed25519.Ed25519PrivateKey.generate())  # fmt: skip

    def _paths(self) -> None:
        pki, key = self._pki, self._pki.key
        other = [pki.signer, authority("Vector CA", pki.other_root)]
        untrusted = "The path ends at a trusted root."
        self._again("valid-below-another-root", untrusted, _UNTRUSTED, roots=["chains/roots/other-root.pem"])
        self._again("intermediate-below-a-public-root", "Public roots are self-signed.", _UNTRUSTED,
                    roots=["chains/roots/intermediate.pem"], roots_are_public=True)  # fmt: skip
        self._case("issuer-of-the-same-name", pem(other), "An issuer's key made the signature.", _UNTRUSTED)
        foreign = authority("Foreign CA", pki.other_root)
        self._case(
            "with-its-own-root", pem([server(NAME, key, foreign), foreign, pki.other_root]), untrusted, _UNTRUSTED
        )
        self._case("without-the-intermediate", pem([pki.signer, pki.cross_signed_root]), untrusted, _UNTRUSTED)
        none = "There is a certificate."
        self._case("empty", b"", none, _UNTRUSTED)
        self._case("text-alone", b"no certificate\n", none, _UNTRUSTED)
        junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        self._case("unreadable-signer", junk + pki.chain(), "The signer can be read.", _UNTRUSTED)
        strangers = [authority(f"Stranger {number}") for number in range(9)]
        eleven = pem([pki.signer, pki.intermediate, *strangers])
        self._case("of-eleven-certificates", eleven, "At most ten certificates.", _UNTRUSTED)
        self._case("six-intermediates", pem(self._deep(6)), "At most six intermediates.")
        self._case("seven-intermediates", pem(self._deep(7)), "At most six intermediates.", _UNTRUSTED)
        limit = x509.BasicConstraints(ca=True, path_length=0)
        self._case("path-length-exceeded", pem(self._deep(2, {0: [(limit, True)]})), "pathLenConstraint", _UNTRUSTED)
        self._case("path-length-kept", pem(self._deep(2, {1: [(limit, True)]})), "pathLenConstraint")

    def _deep(self, many: int, extensions: Dict[int, Sequence[Any]] = {}) -> List[Identity]:  # noqa: B006 - only read
        """The signer below `many` intermediates, with these extensions of the one with that number, from the root."""
        issuers = [self._pki.root]
        for number in range(many):
            issuers.append(authority(f"Vector CA {number}", issuers[-1], extensions=extensions.get(number, ())))
        return [server(NAME, self._pki.key, issuers[-1]), *reversed(issuers[1:])]
