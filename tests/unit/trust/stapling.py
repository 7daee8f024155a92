# SPDX-License-Identifier: Apache-2.0
"""What the tests of staples share: staples of the signer and their makers, what they lead to, and their parts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp as cryptography_ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from eic_sandbox.pki.authority import Identity, Pki, ec_key, issue, issue_server, key_usage, rsa_key, utcnow
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import openssl
from eic_sshd.trust.ocsp import Staples

from .signing import NAME, command, parsed

GOOD, REVOKED = StapleKind.GOOD, StapleKind.REVOKED
INVALID, IS_REVOKED = Reason.STAPLE_INVALID, Reason.SIGNER_REVOKED
READS_SEVERAL = hasattr(cryptography_ocsp.OCSPResponse, "responses")  # since cryptography 37
SHA1 = bytes.fromhex("06052b0e03021a")
UNKNOWN_HASH = bytes.fromhex("06052b0e030215")
ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")
DSA_SHA256 = bytes.fromhex("0609608648016503040302")
UNKNOWN_ALGORITHM = bytes.fromhex("06082a8648ce3d04037f")
OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING


def good_until(pki: Pki, staples: Sequence[bytes], now: int = 0, skew: int = 60, program: str = openssl.PROGRAM) -> int:
    """Of the signer alone, whose issuer is taken for the root."""
    path = parsed(pki.signer, pki.intermediates[0])
    return Staples(staples, command(True, now, program), skew).verify_status(path)


def refused(pki: Pki, staples: Sequence[bytes], now: int = 0, skew: int = 60) -> NotGranted:
    with pytest.raises(NotGranted) as caught:
        good_until(pki, staples, now, skew)
    return caught.value


def of_signer(pki: Pki, kind: StapleKind = GOOD, **options: Any) -> bytes:
    return staple(kind, pki.signer, pki.intermediates[0], **options)


def responder(pki: Pki, issuer: Optional[Identity] = None, key: Any = None, **options: Any) -> Identity:
    """A delegated responder of the signer's issuer, or of `issuer`."""
    options = {"usages": [OCSP_SIGNING], **options}
    return issue("Responder", key or ec_key(), issuer or pki.intermediates[0], ca=False, **options)


def delegates(pki: Pki) -> Dict[str, Identity]:
    """Responders whose GOOD does not count (any more), though the issuer did delegate it to them."""
    begin = utcnow() - timedelta(days=31)
    unknown = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)]
    usage = [(key_usage(digital_signature=False, key_cert_sign=False), True)]
    return {
        "expired": responder(pki, not_before=begin),
        "not valid yet": responder(pki, not_before=utcnow() + timedelta(days=1)),
        "a weak key": responder(pki, key=rsa_key(1024)),
        "a critical extension that nobody knows": responder(pki, extensions=unknown),
        "keyUsage without digitalSignature": responder(pki, extensions=usage),
    }


def tlv(tag: int, body: bytes) -> bytes:
    length = len(body).to_bytes(3, "big").lstrip(b"\0") or b"\0"
    return bytes([tag]) + (length if len(body) < 128 else bytes([0x80 | len(length)]) + length) + body


def children(element: bytes) -> Iterator[bytes]:
    """The elements within a DER element."""

    def header(at: int) -> Tuple[int, int]:
        first = element[at + 1]
        count = first & 0x7F if first & 0x80 else 0
        return 2 + count, int.from_bytes(element[at + 2 : at + 2 + count], "big") if count else first

    at = header(0)[0]
    while at < len(element):
        head, length = header(at)
        yield element[at : at + head + length]
        at += head + length


def ecdsa(maker: Identity, data: bytes) -> bytes:
    """A signature of `maker` over `data` with SHA-256; the maker's key is an elliptic curve's."""
    assert isinstance(maker.key, ec.EllipticCurvePrivateKey)
    return maker.key.sign(data, ec.ECDSA(hashes.SHA256()))


class Parts:
    """The parts of a response: RFC 6960 section 4.2.1."""

    def __init__(self, response: bytes) -> None:
        self.status, content = children(response)
        self.kind, octets = children(next(children(content)))
        basic = octets[octets.index(b"\x30") :]
        data, self.algorithm, *_ = children(basic)
        self.responder, self.produced, singles = children(data)
        (self.single,) = children(singles)

    def response(
        self,
        maker: Identity,
        singles: Sequence[bytes],
        certificates: Sequence[bytes] = (),
        algorithm: bytes = ECDSA_SHA256,
        responder: Optional[bytes] = None,
    ) -> bytes:
        data = tlv(0x30, (responder or self.responder) + self.produced + tlv(0x30, b"".join(singles)))
        signed = tlv(0x03, b"\0" + ecdsa(maker, data))
        attached = tlv(0xA0, tlv(0x30, b"".join(certificates))) if certificates else b""
        basic = tlv(0x30, data + tlv(0x30, algorithm) + signed + attached)
        return tlv(0x30, self.status + tlv(0xA0, tlv(0x30, self.kind + tlv(0x04, basic))))


def parts(pki: Pki, kind: StapleKind = REVOKED, **options: Any) -> Parts:
    return Parts(of_signer(pki, kind, **options))


def result(pki: Pki, staples: Sequence[bytes]) -> Optional[Reason]:
    """Of the signer alone, whose issuer is taken for the root: None if it is granted."""
    path = parsed(pki.signer, pki.intermediates[0])
    try:
        Staples(staples, command(), 60).verify_status(path)
    except NotGranted as refusal:
        return refusal.reason
    return None


def beside_good(pki: Pki, *staples: bytes) -> Optional[Reason]:
    """The same in either order, beside a GOOD by the issuer."""
    first, last = result(pki, [of_signer(pki), *staples]), result(pki, [*staples, of_signer(pki)])
    assert first is last
    return first


def other_single(pki: Pki) -> bytes:
    issuer = pki.intermediates[0]
    return Parts(staple(GOOD, issue_server(NAME, pki.signer.key, issuer), issuer)).single
