# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from eic_sandbox.pki.authority import Identity, Pki, ec_key, issue, issue_server, key_usage, rsa_key, utcnow
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.config.schema import build
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import openssl
from eic_sshd.trust.certificate import Unusable, read
from eic_sshd.trust.ocsp import Staples
from eic_sshd.trust.ocsp_response import Response
from eic_sshd.trust.signer import SignerVerifier

from .signing import DOMAIN, NAME, REGION, command, parsed, pem, refusal, soon, staples_of, trusting, verify

GOOD, REVOKED = StapleKind.GOOD, StapleKind.REVOKED
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


# One staple for each certificate below the root.


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (StapleKind.REVOKED, Reason.SIGNER_REVOKED),
        (StapleKind.REVOKED_LONG_AGO, Reason.SIGNER_REVOKED),
        (StapleKind.UNKNOWN, Reason.STAPLE_INVALID),
        (StapleKind.STALE, Reason.STAPLE_INVALID),
        (StapleKind.EARLY, Reason.STAPLE_INVALID),
        (StapleKind.NO_NEXT_UPDATE, Reason.STAPLE_INVALID),
        (StapleKind.UNAUTHORIZED_RESPONDER, Reason.STAPLE_INVALID),
        (StapleKind.UNDELEGATED, Reason.STAPLE_INVALID),
        (StapleKind.REFUSED, Reason.STAPLE_INVALID),
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_one_bad_staple_anywhere_below_the_root_is_enough(
    pki: Pki, kind: StapleKind, reason: Reason, position: int
) -> None:
    staples = staples_of(pki)
    staples[position] = staple(kind, pki.chain()[position], pki.issuers()[position])
    assert refusal(pem(pki.chain()), staples, trusting(pki.oldest_root)) is reason


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_each_certificate_below_the_root_needs_its_staple(pki: Pki, position: int) -> None:
    staples = staples_of(pki)
    del staples[position]
    assert refusal(pem(pki.chain()), staples, trusting(pki.oldest_root)) is Reason.STAPLE_MISSING


def test_the_cross_signed_roots_need_a_staple_only_where_the_path_goes_over_them(pki: Pki) -> None:
    staples = staples_of(pki)[:2]
    verify(pem(pki.chain()), staples, trusting(pki.root))
    assert refusal(pem(pki.chain()), staples, trusting(pki.old_root)) is Reason.STAPLE_MISSING


def test_staples_match_by_what_is_in_them_in_any_order_among_strangers(pki: Pki) -> None:
    other = Pki(REGION, DOMAIN)
    staples = [*staples_of(other), *reversed(staples_of(pki)), b"", b"\x30\x80", b"x" * 100]
    verify(pem(pki.chain()), staples, trusting(pki.root))


def test_a_staple_of_another_certificate_of_the_same_issuer_does_not_count(pki: Pki) -> None:
    sibling = issue_server(NAME, pki.signer.key, pki.intermediates[0])
    assert refused(pki, [staple(GOOD, sibling, pki.intermediates[0])]).reason is Reason.STAPLE_MISSING


@pytest.mark.parametrize("which", ["name", "key"])
def test_a_staple_for_a_serial_of_another_issuer_does_not_count(pki: Pki, which: str) -> None:
    issuer = pki.intermediates[0]
    if which == "name":
        other = issue("Another CA", issuer.key, pki.root, ca=True)
    else:
        other = issue("Sandbox CA 1", ec_key(), pki.root, ca=True)
    twin = issue_server(NAME, pki.signer.key, other, serial=pki.signer.certificate.serial_number)
    assert refused(pki, [staple(GOOD, twin, other)]).reason is Reason.STAPLE_MISSING


@pytest.mark.parametrize("by_name", [True, False])
def test_the_maker_is_named_by_its_subject_or_by_its_key(pki: Pki, by_name: bool) -> None:
    good_until(pki, [of_signer(pki, by_name=by_name)])
    good_until(pki, [of_signer(pki, responder=responder(pki), by_name=by_name)])


def test_a_maker_in_another_name_than_the_staple_says_is_refused(pki: Pki) -> None:
    for maker in (pki.intermediates[0], responder(pki)):
        wrong = issue("Another name", maker.key, ca=True)
        good_until(pki, [of_signer(pki, responder=maker, responder_id=wrong)])  # named by its key, which is the same
        refusal = refused(pki, [of_signer(pki, responder=maker, responder_id=wrong, by_name=True)])
        assert refusal.reason is Reason.STAPLE_INVALID
        assert "neither" in refusal.detail


def test_a_site_may_do_without_staples_and_then_none_is_read(pki: Pki) -> None:
    def none() -> Sequence[bytes]:
        raise AssertionError("staples were read")

    verifier = SignerVerifier(build({"trust": {"require_ocsp": False}}), trusting(pki.root))
    verifier.verify(pem(pki.chain()), none, REGION, DOMAIN, int(time.time()), soon())


# Times.


def test_a_staple_is_fresh_until_its_next_update_and_no_longer(pki: Pki) -> None:
    one = [of_signer(pki, fresh_for=100)]
    until = good_until(pki, one)
    assert until - time.time() == pytest.approx(100, abs=30)
    assert good_until(pki, one, until - 1) == until
    assert "stale" in refused(pki, one, until).detail


def test_a_staple_may_be_ahead_of_a_slow_clock_by_the_skew(pki: Pki) -> None:
    this_update = utcnow().replace(microsecond=0) + timedelta(hours=1)
    one = [of_signer(pki, updates=(this_update, this_update + timedelta(hours=1)))]
    at = int((this_update - utcnow().replace(year=1970, month=1, day=1, hour=0, minute=0, second=0)).total_seconds())
    good_until(pki, one, at - 60)
    assert "not valid yet" in refused(pki, one, at - 61).detail


def test_a_next_update_before_the_this_update_is_refused(pki: Pki) -> None:
    begin = utcnow() + timedelta(seconds=50)  # within the skew
    for seconds, accepted in ((-1, False), (0, True), (1, True)):
        one = [of_signer(pki, updates=(begin, begin + timedelta(seconds=seconds)))]
        if accepted:
            good_until(pki, one)
        else:
            assert "before its thisUpdate" in refused(pki, one).detail


def test_the_longest_good_answer_counts(pki: Pki) -> None:
    short, long = of_signer(pki, fresh_for=100), of_signer(pki, fresh_for=200)
    for staples in ([short, long], [long, short]):
        assert good_until(pki, staples) - time.time() == pytest.approx(200, abs=30)


def test_a_good_staple_beside_a_stale_or_an_unusable_one_is_enough(pki: Pki) -> None:
    for kind in (
        StapleKind.STALE,
        StapleKind.NO_NEXT_UPDATE,
        StapleKind.UNKNOWN,
        StapleKind.UNAUTHORIZED_RESPONDER,
        StapleKind.REFUSED,
    ):
        for staples in ([of_signer(pki, kind), of_signer(pki)], [of_signer(pki), of_signer(pki, kind)]):
            good_until(pki, staples)


# REVOKED.


def test_the_issuers_revoked_wins_however_old_whatever_else_is_good(pki: Pki) -> None:
    ahead = utcnow() + timedelta(days=1)
    for revoked in (
        of_signer(pki, REVOKED),
        of_signer(pki, StapleKind.REVOKED_LONG_AGO),
        of_signer(pki, REVOKED, updates=(utcnow(), None)),
        of_signer(pki, REVOKED, updates=(ahead, ahead - timedelta(hours=1))),
    ):
        for staples in ([of_signer(pki), revoked], [revoked, of_signer(pki)]):
            assert refused(pki, staples).reason is Reason.SIGNER_REVOKED


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


def test_a_delegates_revoked_wins_too_also_where_its_good_does_not_count(pki: Pki) -> None:
    for one in [responder(pki), *delegates(pki).values()]:
        for kind in (REVOKED, StapleKind.REVOKED_LONG_AGO):
            staples = [of_signer(pki), of_signer(pki, kind, responder=one)]
            assert refused(pki, staples).reason is Reason.SIGNER_REVOKED


@pytest.mark.filterwarnings("ignore:SHA1")
def test_a_revoked_that_was_signed_with_sha1_wins_too(pki: Pki, tmp_path: Path) -> None:
    try:
        revoked, good = (several(pki, tmp_path, ["signer"], status, "sha1") for status in ("revoked", "good"))
    except subprocess.CalledProcessError:
        pytest.skip("OpenSSL signs nothing with SHA-1 here")
    assert refused(pki, [of_signer(pki), revoked]).reason is Reason.SIGNER_REVOKED
    assert "too weak" in refused(pki, [good]).detail


def test_a_revoked_by_whom_nobody_delegated_does_not_count(pki: Pki) -> None:
    strangers = [
        issue("Foreign Responder", ec_key(), ca=False, usages=[OCSP_SIGNING]),
        responder(pki, usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
        responder(pki, usages=[]),
        responder(pki, issuer=pki.root),
        responder(pki, issuer=Identity(pki.intermediates[0].certificate, ec_key())),
    ]
    for stranger in strangers:
        good_until(pki, [of_signer(pki), of_signer(pki, REVOKED, responder=stranger)])
        good_until(pki, [of_signer(pki, REVOKED, responder=stranger), of_signer(pki)])


def test_a_revoked_intermediate_is_found_before_any_staple_is_missed(pki: Pki) -> None:
    revoked = staple(StapleKind.REVOKED_LONG_AGO, pki.intermediates[0], pki.root)
    assert refusal(pem(pki.chain()), [revoked], trusting(pki.root)) is Reason.SIGNER_REVOKED


def several(pki: Pki, tmp_path: Path, entries: Sequence[str], status: str = "revoked", digest: str = "sha256") -> bytes:
    """One response of OpenSSL's responder: good for each of `entries`, and `status` for the one that is `signer`."""
    issuer = pki.intermediates[0]
    (tmp_path / "ca.pem").write_bytes(issuer.pem)
    key = issuer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "ca.key").write_bytes(key)
    subjects = [issue_server(f"other{number}.example.com", pki.signer.key, issuer) for number in range(len(entries))]
    subjects[entries.index("signer")] = pki.signer
    lines, names = [], []
    for number, (subject, entry) in enumerate(zip(subjects, entries)):
        serial = f"{subject.certificate.serial_number:X}"
        serial = serial if len(serial) % 2 == 0 else f"0{serial}"
        revoked = entry == "signer" and status == "revoked"
        line = "R\t391231235959Z\t250101000000Z" if revoked else "V\t391231235959Z\t"
        lines.append(f"{line}\t{serial}\tunknown\t/CN={number}\n")
        (tmp_path / f"{number}.pem").write_bytes(subject.pem)
        names += ["-cert", str(tmp_path / f"{number}.pem")]
    (tmp_path / "index.txt").write_text("".join(lines))
    ca = str(tmp_path / "ca.pem")
    command = [openssl.PROGRAM, "ocsp", "-index", str(tmp_path / "index.txt"), "-CA", ca, "-rsigner", ca]
    command += ["-rkey", str(tmp_path / "ca.key"), "-issuer", ca, *names, "-ndays", "1"]
    command += ["-respout", str(tmp_path / "response.der"), "-resp_no_certs", "-rmd", digest]
    subprocess.run(command, check=True, capture_output=True)
    return (tmp_path / "response.der").read_bytes()


# cryptography before 37 cannot read such a response; nobody knows then that none of its answers is REVOKED.
SEVERAL = Reason.SIGNER_REVOKED if hasattr(ocsp.OCSPResponse, "responses") else Reason.STAPLE_INVALID


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_revoked_among_several_answers_wins(pki: Pki, tmp_path: Path, position: int) -> None:
    entries = ["other", "other"]
    entries.insert(position, "signer")
    revoked = several(pki, tmp_path, entries)
    for staples in ([revoked], [of_signer(pki), revoked], [revoked, of_signer(pki)]):
        assert refused(pki, staples).reason is SEVERAL


# Delegated responders.


def test_a_delegated_responder_may_vouch(pki: Pki) -> None:
    verify(pem(pki.chain()), staples_of(pki, StapleKind.DELEGATED), trusting(pki.root))
    verify(pem(pki.chain()), staples_of(pki, StapleKind.DELEGATED), trusting(pki.root, private=False))
    verify(pem(pki.chain()), staples_of(pki, StapleKind.DELEGATED), trusting(pki.oldest_root))


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_delegate_may_have_another_kind_of_key(pki: Pki, kind: str) -> None:
    one = responder(pki, key=rsa_key(2048) if kind == "rsa" else ed25519.Ed25519PrivateKey.generate())
    try:
        text = of_signer(pki, responder=one, algorithm=hashes.SHA256())
    except (TypeError, ValueError):
        pytest.skip("cryptography signs no response with this kind of key")
    good_until(pki, [text])


def test_a_delegate_without_key_usage_may_vouch(pki: Pki) -> None:
    good_until(pki, [of_signer(pki, responder=responder(pki, without=[x509.KeyUsage]))])


@pytest.mark.parametrize(
    "fault",
    ["expired", "not valid yet", "a weak key", "a critical extension that nobody knows",
     "keyUsage without digitalSignature"],
)  # fmt: skip
def test_a_delegate_that_openssl_would_not_believe_vouches_for_nothing(pki: Pki, fault: str) -> None:
    refusal = refused(pki, [of_signer(pki, responder=delegates(pki)[fault])])
    assert refusal.reason is Reason.STAPLE_INVALID
    assert "its responder CN=Responder: " in refusal.detail
    good_until(pki, [of_signer(pki, responder=delegates(pki)[fault], fresh_for=7200), of_signer(pki)])


def test_a_responder_may_not_vouch_for_another_issuer(pki: Pki) -> None:
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
def test_a_delegate_whose_certificate_is_signed_with_sha1_vouches_for_nothing(pki: Pki) -> None:
    try:
        weak = responder(pki, algorithm=hashes.SHA1())  # noqa: S303
    except Exception as error:  # newer versions of cryptography sign no certificate with SHA-1
        pytest.skip(f"no such certificate can be made: {error}")
    assert refused(pki, [of_signer(pki, responder=weak)]).reason is Reason.STAPLE_INVALID


@pytest.mark.parametrize("kind", [REVOKED, StapleKind.REVOKED_LONG_AGO])
def test_a_delegate_that_is_revoked_vouches_for_nothing(pki: Pki, kind: StapleKind) -> None:
    one, other = responder(pki), responder(pki)
    issuer = pki.intermediates[0]
    for revoked in (staple(kind, one, issuer), staple(kind, one, issuer, responder=other)):
        staples = [of_signer(pki, responder=one), revoked]
        assert "it is revoked" in refused(pki, staples).detail
        assert "it is revoked" in refused(pki, staples[::-1]).detail
        good_until(pki, [*staples, of_signer(pki, responder=other)])
    good_until(pki, [of_signer(pki, responder=one), staple(kind, other, issuer)])


def test_the_first_of_the_doubts_about_a_delegate_is_named(pki: Pki) -> None:
    one = responder(pki)
    revoked = staple(REVOKED, one, pki.intermediates[0])
    unread = {"cannot be parsed": revoked[:-1], "longer than 16384 bytes": revoked + bytes(16384)}
    for order in (list(unread), list(unread)[::-1]):
        detail = refused(pki, [of_signer(pki, responder=one), *(unread[problem] for problem in order)]).detail
        assert order[0] in detail
        assert order[1] not in detail


def test_a_delegate_vouches_no_longer_than_its_own_certificate(pki: Pki) -> None:
    one = responder(pki, not_before=utcnow() - timedelta(days=30) + timedelta(seconds=1000))
    ends = read(one.der).not_after
    assert good_until(pki, [of_signer(pki, responder=one)]) == ends
    assert good_until(pki, [of_signer(pki, responder=one, fresh_for=10)]) < ends


def test_of_two_certificates_in_the_makers_name_the_one_that_signed_counts(pki: Pki) -> None:
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


def test_openssl_is_asked_once_about_each_delegate(pki: Pki, tmp_path: Path) -> None:
    bad = delegates(pki)["a critical extension that nobody knows"]
    staples = [of_signer(pki, responder=bad, fresh_for=1000 + number) for number in range(8)]
    with pytest.raises(NotGranted):
        good_until(pki, staples, program=counting(tmp_path))
    assert runs(tmp_path) == 1


@pytest.mark.parametrize(("before", "accepted"), [(3, True), (4, False)])
def test_openssl_is_asked_about_four_delegates_and_no_more(
    pki: Pki, tmp_path: Path, before: int, accepted: bool
) -> None:
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
def test_a_delegate_that_fails_otherwise_costs_no_run_of_openssl(pki: Pki, tmp_path: Path, fault: str) -> None:
    staples = [of_signer(pki, responder=delegates(pki)[fault])]
    with pytest.raises(NotGranted):
        good_until(pki, staples, program=counting(tmp_path))
    assert runs(tmp_path) == 0


def test_a_delegate_vouches_from_its_first_second_to_the_one_before_its_last(pki: Pki) -> None:
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


def test_no_delegate_costs_a_run_of_openssl_where_the_issuer_answers(pki: Pki) -> None:
    good_until(pki, [of_signer(pki)], program="/nonexistent/openssl")


def test_what_keeps_openssl_from_answering_is_no_fault_of_the_staple(pki: Pki) -> None:
    with pytest.raises(NotGranted) as caught:
        good_until(pki, [of_signer(pki, responder=responder(pki))], program="/nonexistent/openssl")
    assert caught.value.reason is Reason.OPENSSL_MISSING


# What cannot be read.


def test_a_response_that_is_an_error_is_named(pki: Pki) -> None:
    assert "it is an error: TRY_LATER" in refused(pki, [of_signer(pki, StapleKind.REFUSED)]).detail


@pytest.mark.parametrize("junk", [b"", b"\x30\x80", b"x" * 100])
def test_what_is_no_response_is_invalid_and_does_no_harm(pki: Pki, junk: bytes) -> None:
    refusal = refused(pki, [junk])
    assert refusal.reason is Reason.STAPLE_INVALID
    assert "cannot be used" in refusal.detail
    good_until(pki, [junk, of_signer(pki)])
    assert refused(pki, []).reason is Reason.STAPLE_MISSING


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_a_staple_with_a_byte_altered_vouches_for_nothing_it_did_not_sign(pki: Pki, at: int) -> None:
    honest = of_signer(pki)
    at %= len(honest)
    altered = honest[:at] + bytes([honest[at] ^ 0x55]) + honest[at + 1 :]
    try:
        until = good_until(pki, [altered])
    except NotGranted:
        return
    assert until == good_until(pki, [honest])  # the byte was in no signed part


def test_a_staple_whose_answers_cannot_be_read_may_say_revoked(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    # As cryptography before 37 has it; `test_one_revoked_among_several_answers_wins` has a real one.
    serial = pki.signer.certificate.serial_number
    several_answers, real = b"\x02\x14" + serial.to_bytes(20, "big"), Response

    def load(der: bytes) -> Response:
        if der == several_answers:
            raise Unusable("OCSP response contains more than one SINGLERESP structure")
        return real(der)

    monkeypatch.setattr("eic_sshd.trust.ocsp.Response", load)
    good_until(pki, [of_signer(pki), b"junk"])
    refusal = refused(pki, [of_signer(pki), several_answers])
    assert refusal.reason is Reason.STAPLE_INVALID
    assert "SINGLERESP" in refusal.detail


def test_a_repeated_staple_is_read_once(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: List[bytes] = []
    real = Response

    def load(der: bytes) -> Response:
        loaded.append(der)
        return real(der)

    monkeypatch.setattr("eic_sshd.trust.ocsp.Response", load)
    one = of_signer(pki)
    good_until(pki, [one, b"x", one, b"x"])
    assert loaded == [one, b"x"]
