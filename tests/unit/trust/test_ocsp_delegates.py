# SPDX-License-Identifier: Apache-2.0
"""Staples by a responder to which the issuer delegated them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from eic_sandbox.pki.authority import Identity, Pki, rsa_key, utcnow
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import openssl
from eic_sshd.trust.certificate import read

from .signing import pem, staples_of, trusting, verify
from .stapling import (
    REVOKED,
    delegates,
    good_until,
    of_signer,
    refused,
    responder,
)


def test_staple_of_a_delegated_responder_is_accepted(pki: Pki) -> None:
    verify(pem(pki.chain()), staples_of(pki, StapleKind.DELEGATED), trusting(pki.root))
    verify(pem(pki.chain()), staples_of(pki, StapleKind.DELEGATED), trusting(pki.root, private=False))
    verify(pem(pki.chain()), staples_of(pki, StapleKind.DELEGATED), trusting(pki.oldest_root))


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_delegate_may_have_a_key_of_another_kind(pki: Pki, kind: str) -> None:
    one = responder(pki, key=rsa_key(2048) if kind == "rsa" else ed25519.Ed25519PrivateKey.generate())
    try:
        text = of_signer(pki, responder=one, algorithm=hashes.SHA256())
    except (TypeError, ValueError):
        pytest.skip("cryptography signs no response with this kind of key")
    good_until(pki, [text])


def test_delegate_without_key_usage_is_accepted(pki: Pki) -> None:
    good_until(pki, [of_signer(pki, responder=responder(pki, without=[x509.KeyUsage]))])


@pytest.mark.parametrize(
    "fault",
    ["expired", "not valid yet", "a weak key", "a critical extension that nobody knows",
     "keyUsage without digitalSignature"],
)  # fmt: skip
def test_staple_of_an_invalid_delegate_does_not_count(pki: Pki, fault: str) -> None:
    refusal = refused(pki, [of_signer(pki, responder=delegates(pki)[fault])])
    assert refusal.reason is Reason.STAPLE_INVALID
    assert "its responder CN=Responder: " in refusal.detail
    good_until(pki, [of_signer(pki, responder=delegates(pki)[fault], fresh_for=7200), of_signer(pki)])


def test_staple_of_another_issuers_delegate_does_not_count(pki: Pki) -> None:
    for one in (
        responder(pki, issuer=pki.root),
        responder(pki, issuer=Identity(pki.root.certificate, pki.intermediates[0].key)),
        responder(pki, usages=[]),
        responder(pki, usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
    ):
        refusal = refused(pki, [of_signer(pki, responder=one)])
        assert refusal.reason is Reason.STAPLE_INVALID
        assert "neither" in refusal.detail


@pytest.mark.filterwarnings("ignore:SHA1")
def test_staple_of_a_delegate_signed_with_sha1_does_not_count(pki: Pki) -> None:
    try:
        weak = responder(pki, algorithm=hashes.SHA1())  # noqa: S303
    except Exception as error:  # newer versions of cryptography sign no certificate with SHA-1
        pytest.skip(f"no such certificate can be made: {error}")
    assert refused(pki, [of_signer(pki, responder=weak)]).reason is Reason.STAPLE_INVALID


@pytest.mark.parametrize("kind", [REVOKED, StapleKind.REVOKED_LONG_AGO])
def test_staple_of_a_revoked_delegate_does_not_count(pki: Pki, kind: StapleKind) -> None:
    one, other = responder(pki), responder(pki)
    issuer = pki.intermediates[0]
    for revoked in (staple(kind, one, issuer), staple(kind, one, issuer, responder=other)):
        staples = [of_signer(pki, responder=one), revoked]
        assert "it is revoked" in refused(pki, staples).detail
        assert "it is revoked" in refused(pki, staples[::-1]).detail
        good_until(pki, [*staples, of_signer(pki, responder=other)])
    good_until(pki, [of_signer(pki, responder=one), staple(kind, other, issuer)])


def test_first_doubt_about_a_delegate_is_reported(pki: Pki) -> None:
    one = responder(pki)
    revoked = staple(REVOKED, one, pki.intermediates[0])
    unread = {"cannot be parsed": revoked[:-1], "longer than 16384 bytes": revoked + bytes(16384)}
    for order in (list(unread), list(unread)[::-1]):
        detail = refused(pki, [of_signer(pki, responder=one), *(unread[problem] for problem in order)]).detail
        assert order[0] in detail
        assert order[1] not in detail


def test_staple_of_a_delegate_ends_with_the_delegates_certificate(pki: Pki) -> None:
    one = responder(pki, not_before=utcnow() - timedelta(days=30) + timedelta(seconds=1000))
    ends = read(one.der).not_after
    assert good_until(pki, [of_signer(pki, responder=one)]) == ends
    assert good_until(pki, [of_signer(pki, responder=one, fresh_for=10)]) < ends


def test_delegate_that_signed_is_chosen_among_two_of_one_name(pki: Pki) -> None:
    one, namesake = responder(pki), responder(pki)
    good_until(pki, [of_signer(pki, responder=one, certificates=[namesake, one], by_name=True)])
    assert "neither" in refused(pki, [of_signer(pki, responder=one, certificates=[namesake], by_name=True)]).detail


def counting(tmp_path: Path) -> str:
    wrapper = tmp_path / "openssl"
    wrapper.write_text(f'#!/bin/sh\necho >>{tmp_path}/runs\nexec {openssl.PROGRAM} "$@"\n')
    wrapper.chmod(0o755)
    (tmp_path / "runs").touch()
    return str(wrapper)


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text().splitlines())


def test_openssl_verifies_each_delegate_once(pki: Pki, tmp_path: Path) -> None:
    bad = delegates(pki)["a critical extension that nobody knows"]
    staples = [of_signer(pki, responder=bad, fresh_for=1000 + number) for number in range(8)]
    with pytest.raises(NotGranted):
        good_until(pki, staples, program=counting(tmp_path))
    assert runs(tmp_path) == 1


@pytest.mark.parametrize(("before", "accepted"), [(3, True), (4, False)])
def test_openssl_verifies_at_most_four_delegates(pki: Pki, tmp_path: Path, before: int, accepted: bool) -> None:
    unknown = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)]
    bad = [responder(pki, extensions=unknown) for _ in range(before)]
    staples = [of_signer(pki, responder=one, fresh_for=7200) for one in bad]
    staples.append(of_signer(pki, responder=responder(pki)))
    if accepted:
        good_until(pki, staples, program=counting(tmp_path))
    else:
        with pytest.raises(NotGranted):
            good_until(pki, staples, program=counting(tmp_path))
    assert runs(tmp_path) == 4


@pytest.mark.parametrize("fault", ["expired", "not valid yet", "a weak key", "keyUsage without digitalSignature"])
def test_openssl_is_not_run_for_a_delegate_that_fails_another_check(pki: Pki, tmp_path: Path, fault: str) -> None:
    staples = [of_signer(pki, responder=delegates(pki)[fault])]
    with pytest.raises(NotGranted):
        good_until(pki, staples, program=counting(tmp_path))
    assert runs(tmp_path) == 0


def test_delegate_is_valid_from_its_begin_until_before_its_end(pki: Pki) -> None:
    late = responder(pki, not_before=utcnow() + timedelta(days=1))
    early = responder(pki, not_before=utcnow() - timedelta(days=29))
    begins, ends = read(late.der).not_before, read(early.der).not_after
    updates = (utcnow() - timedelta(days=1), utcnow() + timedelta(days=300))
    for one, at, accepted in ((late, begins, True), (late, begins - 1, False), (early, ends - 1, True)):
        staples = [of_signer(pki, responder=one, updates=updates)]
        if accepted:
            good_until(pki, staples, at)
        else:
            assert "not valid at this time" in refused(pki, staples, at).detail
    assert "not valid at this time" in refused(pki, [of_signer(pki, responder=early, updates=updates)], ends).detail


def test_openssl_is_not_run_for_delegates_when_the_issuer_made_a_staple(pki: Pki) -> None:
    good_until(pki, [of_signer(pki)], program="/nonexistent/openssl")


def test_openssl_that_cannot_run_is_not_reported_as_an_invalid_staple(pki: Pki) -> None:
    with pytest.raises(NotGranted) as caught:
        good_until(pki, [of_signer(pki, responder=responder(pki))], program="/nonexistent/openssl")
    assert caught.value.reason is Reason.OPENSSL_MISSING
