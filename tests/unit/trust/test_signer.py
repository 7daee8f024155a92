# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from pathlib import Path
from typing import List

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from eic_sandbox.pki.authority import Pki, ec_key, issue_server, rsa_key
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.signed_key import Block
from eic_sshd.trust.certificate import Unusable, read
from eic_sshd.trust.signatures import is_signed_by, is_strong, issued, require_signed_by, require_verifiable
from eic_sshd.trust.signer import Signer

from .signing import NAME, pem, refusal, refused, self_signed_with_sha1, staples_of, trusting, verify


def test_signer_below_the_trusted_root_is_verified(pki: Pki) -> None:
    signer = verify(pem(pki.chain()), staples_of(pki), trusting(pki.root))
    assert signer.key.public_numbers() == pki.signer.key.public_key().public_numbers()


def test_chain_that_does_not_begin_with_the_signer_is_refused(pki: Pki) -> None:
    presented = pem([*pki.intermediates, pki.signer])
    assert refusal(presented, staples_of(pki), trusting(pki.root)) is Reason.SIGNER_NAME_MISMATCH


@pytest.mark.parametrize(
    "name",
    [
        "managed-ssh-signer.us-east-2.example.com",
        "managed-ssh-signer.us-west-2.amazonaws.com.example.com",
        "managed-ssh-signer.us-west-2.amazonaws.co",
        "Managed-ssh-signer.us-west-2.amazonaws.com",
        "managed-ssh-signer.us-west-2.amazonaws.com ",
    ],
)
def test_signer_with_another_common_name_is_refused(pki: Pki, name: str) -> None:
    other = issue_server(name, pki.signer.key, pki.intermediates[0], dns_names=[NAME])
    assert refusal(pem(pki.chain(other)), [], trusting(pki.root)) is Reason.SIGNER_NAME_MISMATCH


@pytest.mark.parametrize("names", [[], [NAME, "another"], [NAME, NAME]])
def test_signer_with_two_common_names_is_refused(pki: Pki, names: List[str]) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    both = issue_server(NAME, pki.signer.key, pki.intermediates[0], subject=subject)
    assert refusal(pem(pki.chain(both)), [], trusting(pki.root)) is Reason.SIGNER_NAME_MISMATCH


@pytest.mark.parametrize("bits", [1024, 2048, 3072])
def test_signer_with_a_short_key_is_refused(pki: Pki, bits: int) -> None:
    signer = issue_server(NAME, rsa_key(bits), pki.intermediates[0])
    if bits >= 2048:
        verify(pem(pki.chain(signer)), [], trusting(pki.root), require_ocsp=False)
        return
    refusal = refused(pem(pki.chain(signer)), [], trusting(pki.root), require_ocsp=False)
    assert refusal.reason is Reason.SIGNER_UNTRUSTED
    assert f"{bits} bits" in refusal.detail


def test_signer_whose_key_is_not_rsa_is_refused(pki: Pki) -> None:
    signer = issue_server(NAME, ec_key(), pki.intermediates[0])
    refusal = refused(pem(pki.chain(signer)), [], trusting(pki.root), require_ocsp=False)
    assert refusal.reason is Reason.SIGNER_UNTRUSTED
    assert "not RSA" in refusal.detail


def test_signer_is_valid_until_the_first_end_of_its_staples_and_certificates(pki: Pki) -> None:
    short = staple(StapleKind.GOOD, pki.signer, pki.intermediates[0], fresh_for=100)
    signer = verify(pem(pki.chain()), [short, *staples_of(pki)[1:]], trusting(pki.root))
    assert signer.valid_until - time.time() == pytest.approx(100, abs=30)
    signer = verify(pem(pki.chain()), [], trusting(pki.root), require_ocsp=False)
    assert signer.valid_until == min(read(one.der).not_after for one in (pki.signer, *pki.intermediates, pki.root))


# Signatures.


def test_signature_with_a_salt_of_another_length_is_bad(pki: Pki) -> None:
    signer = Signer(pki.signer.key.public_key(), 2**40)
    for salt, good in ((32, True), (31, False), (33, False), (20, False), (0, False)):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=salt)
        block = Block(1, "i-0", None, None, b"", b"signed", pki.signer.key.sign(b"signed", pss, hashes.SHA256()))
        if good:
            signer.verify(block)
        else:
            with pytest.raises(NotGranted):
                signer.verify(block)


@pytest.mark.parametrize(("length", "is_other"), [(0, True), (255, True), (256, False), (257, True), (512, True)])
def test_signature_of_another_length_is_bad_without_being_verified(pki: Pki, length: int, is_other: bool) -> None:
    signer = Signer(pki.signer.key.public_key(), 2**40)
    assert signer.key.key_size == 2048
    with pytest.raises(NotGranted) as caught:
        signer.verify(Block(1, "i-1", None, None, b"", b"signed", b"s" * length))
    assert caught.value.reason is Reason.BAD_SIGNATURE
    assert ("another length" in caught.value.detail) is is_other


def test_sha1_signature_is_accepted_only_where_weak_ones_are_allowed() -> None:
    key = ec_key()
    data = b"signed"
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        require_signed_by(key.public_key(), key.sign(data, ec.ECDSA(algorithm)), data, algorithm)
        assert is_strong(key.public_key(), algorithm)
    sha1 = hashes.SHA1()  # noqa: S303
    signed = key.sign(data, ec.ECDSA(sha1))
    require_signed_by(key.public_key(), signed, data, sha1, weak=True)
    assert not is_strong(key.public_key(), sha1)
    with pytest.raises(Unusable, match="too weak"):
        require_signed_by(key.public_key(), signed, data, sha1)
    with pytest.raises(Unusable):
        require_signed_by(key.public_key(), signed, b"other", sha1, weak=True)


def test_key_of_each_kind_verifies_only_its_own_signatures() -> None:
    rsa_private, ed = rsa_key(), ed25519.Ed25519PrivateKey.generate()
    sha256 = hashes.SHA256()
    by_rsa = rsa_private.sign(b"signed", padding.PKCS1v15(), sha256)
    by_ed = ed.sign(b"signed")
    require_signed_by(rsa_private.public_key(), by_rsa, b"signed", sha256)
    require_signed_by(ed.public_key(), by_ed, b"signed", None)
    for key, signature, algorithm in (
        (rsa_private.public_key(), by_ed, sha256),
        (ed.public_key(), by_rsa, None),
        (ec_key().public_key(), by_rsa, sha256),
        (rsa_private.public_key(), by_rsa, hashes.SHA384()),
    ):
        with pytest.raises(Unusable):
            require_signed_by(key, signature, b"signed", algorithm)
    for key in (rsa_private.public_key(), ec_key().public_key()):
        with pytest.raises(Unusable, match="names no hash"):
            require_signed_by(key, by_rsa, b"signed", None, weak=True)
    by_dsa = dsa.generate_private_key(2048)
    with pytest.raises(Unusable, match="neither RSA, ECDSA nor Ed25519"):
        require_signed_by(by_dsa.public_key(), by_dsa.sign(b"signed", sha256), b"signed", sha256)


def test_certificate_signed_with_sha1_counts_as_issued_only_if_weak_ones_are_allowed(tmp_path: Path) -> None:
    weak = self_signed_with_sha1(tmp_path)
    assert not issued(weak, weak)
    assert issued(weak, weak, weak=True)


def test_issuer_of_a_certificate_has_the_name_and_the_key(pki: Pki) -> None:
    signer, issuer, root = (read(one.der) for one in (pki.signer, pki.intermediates[0], pki.root))
    assert issued(issuer, signer)
    assert not issued(root, signer)
    assert not issued(issuer._replace(subject=root.subject), signer)
    assert not issued(issuer._replace(key=root.key), signer)


@pytest.mark.parametrize(
    "junk", [b"", b"x", b"x" * 256, b"\xff" * 256, b"x" * 300, b"\x30\x06\x02\x01\x01\x02\x01\x01"]
)
def test_random_bytes_are_not_a_signature_of_any_key(junk: bytes) -> None:
    for key in (rsa_key(), ec_key()):
        assert not is_signed_by(key.public_key(), junk, b"signed", hashes.SHA256())
        assert not is_signed_by(key.public_key(), junk, b"signed", None)
    assert not is_signed_by(ed25519.Ed25519PrivateKey.generate().public_key(), junk, b"signed", None)


def test_unverifiable_signature_is_neither_valid_nor_invalid() -> None:
    class Broken(hashes.SHA256):
        name = "no-such-hash"

    key = ec_key()
    made = key.sign(b"signed", ec.ECDSA(hashes.SHA256()))
    assert is_signed_by(key.public_key(), made, b"signed", hashes.SHA256())
    assert not is_signed_by(key.public_key(), made, b"other", hashes.SHA256())
    with pytest.raises(Unusable):
        is_signed_by(key.public_key(), made, b"signed", Broken())


def test_pss_and_unknown_algorithms_are_not_verified() -> None:
    for kind in ("RSA", "ECDSA"):
        for size in (1, 224, 256, 384, 512):
            require_verifiable(getattr(SignatureAlgorithmOID, f"{kind}_WITH_SHA{size}"))
    require_verifiable(SignatureAlgorithmOID.ED25519)
    for other in (SignatureAlgorithmOID.RSASSA_PSS, SignatureAlgorithmOID.DSA_WITH_SHA256):
        with pytest.raises(Unusable, match=other.dotted_string):
            require_verifiable(other)
