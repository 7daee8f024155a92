# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import List, Sequence

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eic_sshd import chain, roots
from eic_sshd.deadline import Deadline
from eic_sshd.decision import NotGranted, Reason
from eic_sshd.keyblob import Block
from eic_sshd.roots import Roots
from eic_sshd.sandbox.pki import Identity, Pki, StapleKind, ec_key, issue, rsa_key, staple, utcnow
from eic_sshd.settings import TrustSettings, build
from eic_sshd.signature import require_signed_by
from eic_sshd.signer import Signer, SignerVerifier
from eic_sshd.staple import epoch_seconds, require_good

REGION, DOMAIN = "us-west-2", "amazonaws.com"
NAME = f"managed-ssh-signer.{REGION}.{DOMAIN}"


def trusting(*identities: Identity, private: bool = True) -> roots.RootsFor:
    return lambda domain: Roots([identity.der for identity in identities], private)


def pem(certificates: Sequence[Identity]) -> bytes:
    return b"".join(one.pem for one in certificates)


def staples_of(pki: Pki, kind: StapleKind = StapleKind.GOOD) -> List[bytes]:
    return [staple(kind, subject, issuer) for subject, issuer in zip(pki.chain(), pki.issuers())]


def soon() -> Deadline:
    return Deadline.after(10, time.monotonic)


def verify(
    presented: bytes, staples: Sequence[bytes], roots_for: roots.RootsFor, require_ocsp: bool = True, ahead: int = 0
) -> Signer:
    config = build({"trust": {"require_ocsp": require_ocsp}})
    now = int(time.time()) + ahead
    return SignerVerifier(config, roots_for).verify(presented, lambda: staples, REGION, DOMAIN, now, soon())


def refusal(
    presented: bytes, staples: Sequence[bytes], roots_for: roots.RootsFor, require_ocsp: bool = True, ahead: int = 0
) -> Reason:
    with pytest.raises(NotGranted) as caught:
        verify(presented, staples, roots_for, require_ocsp, ahead)
    return caught.value.reason


# The chain.


def test_a_signer_that_chains_to_the_root_is_verified(pki: Pki) -> None:
    signer = verify(pem(pki.chain()), staples_of(pki), trusting(pki.root))
    assert signer.key.public_numbers() == pki.signer.key.public_key().public_numbers()


def test_public_chains_are_held_to_the_strict_profile_and_pass(pki: Pki) -> None:
    verify(pem(pki.chain()), staples_of(pki), trusting(pki.root, private=False))


def test_a_signer_may_chain_over_the_cross_signed_root_to_the_old_one(pki: Pki) -> None:
    verify(pem(pki.chain()), staples_of(pki), trusting(pki.old_root))


def test_both_twins_of_a_root_in_the_chain_do_not_confuse(pki: Pki) -> None:
    for order in ([pki.cross_signed_root, pki.root], [pki.root, pki.cross_signed_root]):
        presented = pem([pki.signer, *pki.intermediates, *order])
        verify(presented, staples_of(pki), trusting(pki.old_root))
        verify(presented, staples_of(pki), trusting(pki.root))


def test_order_and_strangers_in_the_chain_do_not_matter_behind_the_signer(pki: Pki) -> None:
    stranger = issue("Stranger", ec.generate_private_key(ec.SECP256R1()), ca=True)
    verify(pem([pki.signer, stranger, *reversed(pki.intermediates)]), staples_of(pki), trusting(pki.root))


def test_of_two_roots_of_one_name_the_one_that_signed_counts(pki: Pki) -> None:
    namesake = issue("Sandbox Root CA 1", rsa_key(), ca=True)
    for trusted in ([namesake, pki.root], [pki.root, namesake]):
        verify(pem(pki.chain()), staples_of(pki), trusting(*trusted))


def test_text_around_the_certificates_is_passed_over(pki: Pki) -> None:
    presented = b"subject=x\n" + b"\nbetween\n".join(one.pem.replace(b"\n", b"\r\n") for one in pki.chain())
    verify(presented, staples_of(pki), trusting(pki.root))


def test_the_signer_comes_first(pki: Pki) -> None:
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
def test_a_signer_of_another_name_is_refused(pki: Pki, name: str) -> None:
    other = issue(name, pki.signer.key, pki.intermediates[0], ca=False)
    assert refusal(pem(pki.chain(other)), [], trusting(pki.root)) is Reason.SIGNER_NAME_MISMATCH


def test_a_chain_from_another_root_is_refused(pki: Pki) -> None:
    other = Pki(REGION, DOMAIN, intermediates=1)
    assert refusal(pem(other.chain()), staples_of(other), trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_a_chain_that_brings_its_own_root_along_is_refused(pki: Pki) -> None:
    impostor = issue("Sandbox Root CA 1", rsa_key(), ca=True)
    signer = issue(NAME, rsa_key(), impostor, ca=False)
    assert refusal(pem([signer, impostor]), [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_a_signer_issued_by_what_is_no_authority_is_refused(pki: Pki) -> None:
    server = issue("server.example.com", rsa_key(), pki.intermediates[0], ca=False)
    signer = issue(NAME, rsa_key(), server, ca=False)
    presented = pem([signer, server, *pki.intermediates])
    assert refusal(presented, [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_a_chain_with_a_link_missing_is_refused(pki: Pki) -> None:
    presented = pem([pki.signer, pki.intermediates[-1]])
    assert refusal(presented, staples_of(pki), trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize("begin", [timedelta(days=-31), timedelta(days=1)])
def test_a_signer_outside_its_dates_is_refused(pki: Pki, begin: timedelta) -> None:
    other = issue(NAME, pki.signer.key, pki.intermediates[0], ca=False, not_before=utcnow() + begin)
    assert refusal(pem(pki.chain(other)), [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_the_clock_that_counts_is_the_one_passed_in(pki: Pki) -> None:
    presented = pem(pki.chain())
    assert refusal(presented, [], trusting(pki.root), require_ocsp=False, ahead=40 * 86400) is Reason.SIGNER_UNTRUSTED


def test_a_short_key_in_the_chain_is_refused(pki: Pki) -> None:
    weak = issue("Weak CA", rsa_key(1024), pki.root, ca=True)
    signer = issue(NAME, rsa_key(), weak, ca=False)
    assert refusal(pem([signer, weak]), [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_a_signer_whose_key_is_not_rsa_is_refused(pki: Pki) -> None:
    signer = issue(NAME, ec.generate_private_key(ec.SECP256R1()), pki.intermediates[0], ca=False)
    assert refusal(pem(pki.chain(signer)), [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_a_site_may_name_an_intermediate_as_its_root(pki: Pki) -> None:
    verify(pem(pki.chain()), staples_of(pki), trusting(pki.intermediates[0]))
    with pytest.raises(NotGranted):
        verify(pem(pki.chain()), staples_of(pki), trusting(pki.intermediates[0], private=False))


def test_a_signer_that_is_itself_called_a_root_is_refused(pki: Pki) -> None:
    assert refusal(pem(pki.chain()), staples_of(pki), trusting(pki.signer)) is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize(
    "presented",
    [
        b"",
        b"no certificate",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n" * 1000,
    ],
)
def test_what_is_no_chain_is_refused(pki: Pki, presented: bytes) -> None:
    assert refusal(presented, [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_a_chain_without_end_is_refused(pki: Pki) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    many = [issue(f"CA {number}", key, ca=True) for number in range(11)]
    assert refusal(pem([pki.signer, *many]), [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_the_environment_adds_no_root(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Pki(REGION, DOMAIN, intermediates=1)
    (tmp_path / "root.pem").write_bytes(other.root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert refusal(pem(other.chain()), staples_of(other), trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_a_verification_that_takes_too_long_ends(pki: Pki) -> None:
    config = build({})
    verifier = SignerVerifier(config, trusting(pki.root))
    with pytest.raises(NotGranted) as caught:
        verifier.verify(pem(pki.chain()), list, REGION, DOMAIN, int(time.time()), Deadline.after(-1, time.monotonic))
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED


# The staples.


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (StapleKind.REVOKED, Reason.SIGNER_REVOKED),
        (StapleKind.UNKNOWN, Reason.STAPLE_INVALID),
        (StapleKind.STALE, Reason.STAPLE_INVALID),
        (StapleKind.EARLY, Reason.STAPLE_INVALID),
        (StapleKind.ENDLESS, Reason.STAPLE_INVALID),
        (StapleKind.FOREIGN, Reason.STAPLE_INVALID),
        (StapleKind.UNDELEGATED, Reason.STAPLE_INVALID),
        (StapleKind.REFUSED, Reason.STAPLE_INVALID),
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_bad_staple_anywhere_below_the_root_is_enough(
    pki: Pki, kind: StapleKind, reason: Reason, position: int
) -> None:
    staples = staples_of(pki)
    staples[position] = staple(kind, pki.chain()[position], pki.issuers()[position])
    assert refusal(pem(pki.chain()), staples, trusting(pki.root)) is reason


@pytest.mark.parametrize("position", [0, 1, 2])
def test_each_certificate_below_the_root_needs_its_staple(pki: Pki, position: int) -> None:
    staples = staples_of(pki)
    del staples[position]
    assert refusal(pem(pki.chain()), staples, trusting(pki.root)) is Reason.STAPLE_MISSING


def test_the_twin_of_the_root_needs_a_staple_only_where_the_path_goes_over_it(pki: Pki) -> None:
    staples = staples_of(pki)[:-1]
    verify(pem(pki.chain()), staples, trusting(pki.root))
    assert refusal(pem(pki.chain()), staples, trusting(pki.old_root)) is Reason.STAPLE_MISSING


def test_a_delegated_responder_may_speak(pki: Pki) -> None:
    verify(pem(pki.chain()), staples_of(pki, StapleKind.DELEGATED), trusting(pki.root))


def test_a_responder_may_not_speak_for_another_issuer(pki: Pki) -> None:
    # Delegated by the root, speaking of the signer, which an intermediate issued.
    staples = staples_of(pki)
    by_root = staple(StapleKind.DELEGATED, pki.signer, Identity(pki.intermediates[0].certificate, pki.root.key))
    staples[0] = by_root
    assert refusal(pem(pki.chain()), staples, trusting(pki.root)) is Reason.STAPLE_INVALID


def test_staples_match_by_what_they_say_in_any_order_among_strangers(pki: Pki) -> None:
    other = Pki(REGION, DOMAIN, intermediates=1)
    staples = [*staples_of(other), *reversed(staples_of(pki)), b"", b"\x30\x80", b"x" * 100]
    verify(pem(pki.chain()), staples, trusting(pki.root))


def test_a_staple_of_another_certificate_of_the_same_issuer_does_not_count(pki: Pki) -> None:
    sibling = issue(NAME, pki.signer.key, pki.intermediates[0], ca=False)
    staples = [staple(StapleKind.GOOD, sibling, pki.intermediates[0]), *staples_of(pki)[1:]]
    assert refusal(pem(pki.chain()), staples, trusting(pki.root)) is Reason.STAPLE_MISSING


def test_revoked_wins_over_good(pki: Pki) -> None:
    revoked = staple(StapleKind.REVOKED, pki.signer, pki.intermediates[0])
    for staples in ([*staples_of(pki), revoked], [revoked, *staples_of(pki)]):
        assert refusal(pem(pki.chain()), staples, trusting(pki.root)) is Reason.SIGNER_REVOKED


def test_a_good_staple_beside_a_stale_one_will_do(pki: Pki) -> None:
    stale = staple(StapleKind.STALE, pki.signer, pki.intermediates[0])
    verify(pem(pki.chain()), [stale, *staples_of(pki)], trusting(pki.root))


def test_a_site_may_do_without_staples_and_then_none_is_read(pki: Pki) -> None:
    def none() -> Sequence[bytes]:
        raise AssertionError("staples were read")

    config = build({"trust": {"require_ocsp": False}})
    verifier = SignerVerifier(config, trusting(pki.root))
    verifier.verify(pem(pki.chain()), none, REGION, DOMAIN, int(time.time()), soon())


def test_a_signer_holds_no_longer_than_its_first_staple_and_certificate(pki: Pki) -> None:
    short = staple(StapleKind.GOOD, pki.signer, pki.intermediates[0], fresh_for=100)
    signer = verify(pem(pki.chain()), [short, *staples_of(pki)[1:]], trusting(pki.root))
    assert signer.valid_until - time.time() == pytest.approx(100, abs=3)
    signer = verify(pem(pki.chain()), [], trusting(pki.root), require_ocsp=False)
    path = [pki.signer, *pki.intermediates, pki.root]
    assert signer.valid_until == min(epoch_seconds(one.certificate, "not_valid_after") or 0 for one in path)


def test_a_staple_is_fresh_until_its_next_update_and_no_longer(pki: Pki) -> None:
    one = [staple(StapleKind.GOOD, pki.signer, pki.intermediates[0], fresh_for=100)]
    until = require_good(pki.signer.certificate, pki.intermediates[0].certificate, one, int(time.time()), 0)
    for now, good in ((until - 1, True), (until, False)):
        if good:
            require_good(pki.signer.certificate, pki.intermediates[0].certificate, one, now, 60)
        else:
            with pytest.raises(NotGranted, match="stale"):
                require_good(pki.signer.certificate, pki.intermediates[0].certificate, one, now, 60)


def test_a_staple_may_be_ahead_of_a_slow_clock_by_the_skew(pki: Pki) -> None:
    one = [staple(StapleKind.GOOD, pki.signer, pki.intermediates[0])]
    this_update = int(time.time()) - 300
    require_good(pki.signer.certificate, pki.intermediates[0].certificate, one, this_update - 50, 60)
    with pytest.raises(NotGranted, match="not valid yet"):
        require_good(pki.signer.certificate, pki.intermediates[0].certificate, one, this_update - 70, 60)


@pytest.mark.parametrize("which", ["name", "key"])
def test_a_staple_for_a_serial_of_another_issuer_does_not_count(pki: Pki, which: str) -> None:
    issuer = pki.intermediates[0]
    if which == "name":
        other = issue("Another CA", issuer.key, pki.root, ca=True)
    else:
        other = issue("Sandbox CA 2", ec_key(), pki.root, ca=True)
    twin = issue(NAME, pki.signer.key, other, ca=False, serial=pki.signer.certificate.serial_number)
    with pytest.raises(NotGranted) as caught:
        require_good(
            pki.signer.certificate, issuer.certificate, [staple(StapleKind.GOOD, twin, other)], int(time.time()), 60
        )
    assert caught.value.reason is Reason.STAPLE_MISSING


@pytest.mark.parametrize("fault", ["none", "expired", "early", "issuer's name"])
def test_a_delegate_must_be_the_issuers_and_valid_now(pki: Pki, fault: str) -> None:
    issuer = pki.intermediates[0]
    begin = {"expired": timedelta(days=-31), "early": timedelta(days=1)}.get(fault, timedelta(minutes=-5))
    by = Identity(pki.intermediates[1].certificate, issuer.key) if fault == "issuer's name" else issuer
    usages = [ExtendedKeyUsageOID.OCSP_SIGNING]
    delegate = issue("Responder", ec_key(), by, ca=False, usages=usages, not_before=utcnow() + begin)
    one = [staple(StapleKind.GOOD, pki.signer, issuer, responder=delegate)]
    if fault == "none":
        require_good(pki.signer.certificate, issuer.certificate, one, int(time.time()), 60)
    else:
        with pytest.raises(NotGranted) as caught:
            require_good(pki.signer.certificate, issuer.certificate, one, int(time.time()), 60)
        assert caught.value.reason is Reason.STAPLE_INVALID


def test_sha1_signs_nothing_any_more(pki: Pki) -> None:
    key = ec_key()
    data = b"signed"
    for algorithm, good in ((hashes.SHA256(), True), (hashes.SHA1(), False)):  # noqa: S303
        signed = key.sign(data, ec.ECDSA(algorithm))
        if good:
            require_signed_by(key.public_key(), signed, data, algorithm)
        else:
            with pytest.raises(TypeError):
                require_signed_by(key.public_key(), signed, data, algorithm)


def test_ed25519_authorities_may_issue(pki: Pki) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    require_signed_by(key.public_key(), key.sign(b"signed"), b"signed", None)
    with pytest.raises(InvalidSignature):
        require_signed_by(key.public_key(), key.sign(b"signed"), b"other", None)


# The chain, once more: what an attacker could lay beside the path that OpenSSL takes.


def test_a_decoy_of_the_issuers_name_is_not_taken_for_it(pki: Pki) -> None:
    real = pki.intermediates[0]
    decoy = issue("Sandbox CA 2", ec_key(), ca=True)
    decoy = issue("Sandbox CA 2", decoy.key, Identity(pki.root.certificate, ec_key()), ca=True)
    staples = [staple(StapleKind.GOOD, pki.signer, decoy), *staples_of(pki)[1:]]
    for order in ([decoy, real], [real, decoy]):
        presented = pem([pki.signer, *order, pki.intermediates[1]])
        assert refusal(presented, staples, trusting(pki.root)) is Reason.STAPLE_MISSING


def test_several_names_are_none(pki: Pki) -> None:
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in (NAME, "another")])
    both = issue(NAME, pki.signer.key, pki.intermediates[0], ca=False, subject=names)
    assert refusal(pem(pki.chain(both)), [], trusting(pki.root)) is Reason.SIGNER_NAME_MISMATCH


def test_an_unreadable_certificate_behind_a_good_chain_or_among_the_roots_keeps_nobody_out(pki: Pki) -> None:
    junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    verify(pem(pki.chain()) + junk, staples_of(pki), trusting(pki.root))
    verify(pem(pki.chain()), staples_of(pki), lambda domain: Roots([b"junk", pki.root.der], private=True))


def test_public_chains_without_key_identifiers_are_refused_and_a_sites_own_are_not(pki: Pki) -> None:
    plain = issue("Plain CA", ec_key(), pki.root, ca=True, identifiers=False)
    signer = issue(NAME, pki.signer.key, plain, ca=False, identifiers=False)
    staples = [staple(StapleKind.GOOD, signer, plain), staple(StapleKind.GOOD, plain, pki.root)]
    verify(pem([signer, plain]), staples, trusting(pki.root))
    assert refusal(pem([signer, plain]), staples, trusting(pki.root, private=False)) is Reason.SIGNER_UNTRUSTED


def test_a_signature_with_a_salt_of_another_length_is_bad(pki: Pki) -> None:
    signer = Signer(pki.signer.key.public_key(), 2**40)
    for salt, good in ((32, True), (20, False), (0, False)):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=salt)
        block = Block(1, "i-0", None, None, b"", b"signed", pki.signer.key.sign(b"signed", pss, hashes.SHA256()))
        if good:
            signer.verify(block)
        else:
            with pytest.raises(NotGranted):
                signer.verify(block)


# The roots.


def bundle(path: Path, *identities: Identity) -> str:
    path.write_bytes(b"# comment\n" + pem(identities))
    os.chmod(path, 0o644)
    return str(path)


def test_auto_takes_only_amazon_roots_where_the_domain_is_amazonaws_com(pki: Pki, tmp_path: Path) -> None:
    path = bundle(tmp_path / "bundle.pem", pki.root)
    auto = roots.configured(TrustSettings("auto", None, True), [path], os.geteuid())
    assert auto("amazonaws.com.cn").certificates == [pki.root.der]
    with pytest.raises(NotGranted) as caught:
        auto("amazonaws.com")
    assert caught.value.reason is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize(("setting", "domain", "trusted"), [("amazon", "amazonaws.com.cn", 0), ("system", DOMAIN, 1)])
def test_the_setting_wins_over_the_domain(pki: Pki, tmp_path: Path, setting: str, domain: str, trusted: int) -> None:
    made = roots.configured(
        TrustSettings(setting, None, True), [bundle(tmp_path / "bundle.pem", pki.root)], os.geteuid()
    )
    if trusted:
        assert made(domain).certificates == [pki.root.der]
    else:
        with pytest.raises(NotGranted):
            made(domain)


@pytest.mark.skipif(not any(map(os.path.exists, roots.SYSTEM_BUNDLES)), reason="needs ca-certificates")
def test_the_distribution_has_amazons_roots() -> None:
    found = roots.configured(TrustSettings("amazon", None, True))("amazonaws.com").certificates
    digests = {hashlib.sha256(der).hexdigest() for der in found}
    assert len(digests) >= 4
    assert digests <= roots.AMAZON_ROOTS


def test_a_ca_file_is_then_all_that_is_trusted(pki: Pki, tmp_path: Path) -> None:
    path = bundle(tmp_path / "ca.pem", pki.root, pki.old_root)
    assert roots.configured(TrustSettings("auto", path, True), [])(DOMAIN) == (
        [pki.root.der, pki.old_root.der],
        True,
    )


@pytest.mark.parametrize("fault", ["missing", "empty", "writable"])
def test_a_ca_file_that_is_no_good_is_said(pki: Pki, tmp_path: Path, fault: str) -> None:
    path = tmp_path / "ca.pem"
    if fault == "empty":
        path.write_text("")
    elif fault == "writable":
        bundle(path, pki.root)
        os.chmod(path, 0o666)
    with pytest.raises(NotGranted) as caught:
        roots.configured(TrustSettings("auto", str(path), True), [])(DOMAIN)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert str(path) in caught.value.detail


def test_no_system_bundle_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotGranted) as caught:
        roots.configured(TrustSettings("system", None, True), [str(tmp_path / "none")])(DOMAIN)
    assert caught.value.reason is Reason.SIGNER_UNTRUSTED


def test_openssl_is_what_validates(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "OPENSSL", "/nonexistent/openssl")
    assert refusal(pem(pki.chain()), staples_of(pki), trusting(pki.root)) is Reason.OPENSSL_MISSING


def test_a_subject_cannot_pass_for_openssls_output(pki: Pki) -> None:
    # A name that looks like lines of `openssl verify -show_chain` must not add to the certificates counted.
    fake = "x\ndepth=7: CN = y (untrusted)\nstdin: OK"
    intermediate = issue(fake, rsa_key(), pki.root, ca=True)
    signer = issue(NAME, rsa_key(), intermediate, ca=False)
    staples = [staple(StapleKind.GOOD, signer, intermediate), staple(StapleKind.GOOD, intermediate, pki.root)]
    verify(pem([signer, intermediate]), staples, trusting(pki.root))
    assert subprocess.run([chain.OPENSSL, "version"], capture_output=True, check=True).stdout
