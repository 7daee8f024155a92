# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from datetime import timedelta
from typing import List, Sequence

import pytest

from eic_sandbox.pki.authority import Pki, ec_key, issue, issue_server, utcnow
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.config.schema import build
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust.certificate import Unusable
from eic_sshd.trust.ocsp_response import Response
from eic_sshd.trust.signer import SignerVerifier

from .signing import DOMAIN, NAME, REGION, pem, refusal, soon, staples_of, trusting, verify
from .stapling import (
    GOOD,
    good_until,
    of_signer,
    refused,
    responder,
)


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
def test_bad_staple_of_any_certificate_below_the_root_refuses_the_signer(
    pki: Pki, kind: StapleKind, reason: Reason, position: int
) -> None:
    staples = staples_of(pki)
    staples[position] = staple(kind, pki.chain()[position], pki.issuers()[position])
    assert refusal(pem(pki.chain()), staples, trusting(pki.oldest_root)) is reason


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_missing_staple_of_any_certificate_below_the_root_refuses_the_signer(pki: Pki, position: int) -> None:
    staples = staples_of(pki)
    del staples[position]
    assert refusal(pem(pki.chain()), staples, trusting(pki.oldest_root)) is Reason.STAPLE_MISSING


def test_cross_signed_root_needs_a_staple_only_if_it_is_on_the_path(pki: Pki) -> None:
    staples = staples_of(pki)[:2]
    verify(pem(pki.chain()), staples, trusting(pki.root))
    assert refusal(pem(pki.chain()), staples, trusting(pki.old_root)) is Reason.STAPLE_MISSING


def test_staple_is_matched_by_its_contents_in_any_order(pki: Pki) -> None:
    other = Pki(REGION, DOMAIN)
    staples = [*staples_of(other), *reversed(staples_of(pki)), b"", b"\x30\x80", b"x" * 100]
    verify(pem(pki.chain()), staples, trusting(pki.root))


def test_staple_of_another_certificate_of_the_same_issuer_does_not_count(pki: Pki) -> None:
    sibling = issue_server(NAME, pki.signer.key, pki.intermediates[0])
    assert refused(pki, [staple(GOOD, sibling, pki.intermediates[0])]).reason is Reason.STAPLE_MISSING


@pytest.mark.parametrize("which", ["name", "key"])
def test_staple_for_the_same_serial_number_of_another_issuer_does_not_count(pki: Pki, which: str) -> None:
    issuer = pki.intermediates[0]
    if which == "name":
        other = issue("Another CA", issuer.key, pki.root, ca=True)
    else:
        other = issue("Sandbox CA 1", ec_key(), pki.root, ca=True)
    twin = issue_server(NAME, pki.signer.key, other, serial=pki.signer.certificate.serial_number)
    assert refused(pki, [staple(GOOD, twin, other)]).reason is Reason.STAPLE_MISSING


@pytest.mark.parametrize("by_name", [True, False])
def test_maker_of_a_staple_is_named_by_its_subject_or_its_key(pki: Pki, by_name: bool) -> None:
    good_until(pki, [of_signer(pki, by_name=by_name)])
    good_until(pki, [of_signer(pki, responder=responder(pki), by_name=by_name)])


def test_staple_that_names_another_maker_is_refused(pki: Pki) -> None:
    for maker in (pki.intermediates[0], responder(pki)):
        wrong = issue("Another name", maker.key, ca=True)
        good_until(pki, [of_signer(pki, responder=maker, responder_id=wrong)])  # named by its key, which is the same
        refusal = refused(pki, [of_signer(pki, responder=maker, responder_id=wrong, by_name=True)])
        assert refusal.reason is Reason.STAPLE_INVALID
        assert "neither" in refusal.detail


def test_staples_are_not_read_where_the_site_does_not_require_them(pki: Pki) -> None:
    def none() -> Sequence[bytes]:
        raise AssertionError("staples were read")

    verifier = SignerVerifier(build({"trust": {"require_ocsp": False}}), trusting(pki.root))
    verifier.verify(pem(pki.chain()), none, REGION, DOMAIN, int(time.time()), soon())


def test_staple_is_fresh_until_its_next_update(pki: Pki) -> None:
    one = [of_signer(pki, fresh_for=100)]
    until = good_until(pki, one)
    assert until - time.time() == pytest.approx(100, abs=30)
    assert good_until(pki, one, until - 1) == until
    assert "stale" in refused(pki, one, until).detail


def test_staple_may_begin_later_than_now_by_the_clock_skew(pki: Pki) -> None:
    this_update = utcnow().replace(microsecond=0) + timedelta(hours=1)
    one = [of_signer(pki, updates=(this_update, this_update + timedelta(hours=1)))]
    at = int((this_update - utcnow().replace(year=1970, month=1, day=1, hour=0, minute=0, second=0)).total_seconds())
    good_until(pki, one, at - 60)
    assert "not valid yet" in refused(pki, one, at - 61).detail


def test_staple_that_ends_before_it_begins_is_refused(pki: Pki) -> None:
    begin = utcnow() + timedelta(seconds=50)  # within the skew
    for seconds, accepted in ((-1, False), (0, True), (1, True)):
        one = [of_signer(pki, updates=(begin, begin + timedelta(seconds=seconds)))]
        if accepted:
            good_until(pki, one)
        else:
            assert "before its thisUpdate" in refused(pki, one).detail


def test_good_staple_that_lasts_longest_counts(pki: Pki) -> None:
    short, long = of_signer(pki, fresh_for=100), of_signer(pki, fresh_for=200)
    for staples in ([short, long], [long, short]):
        assert good_until(pki, staples) - time.time() == pytest.approx(200, abs=30)


def test_good_staple_beside_a_stale_or_unusable_one_is_accepted(pki: Pki) -> None:
    for kind in (
        StapleKind.STALE,
        StapleKind.NO_NEXT_UPDATE,
        StapleKind.UNKNOWN,
        StapleKind.UNAUTHORIZED_RESPONDER,
        StapleKind.REFUSED,
    ):
        for staples in ([of_signer(pki, kind), of_signer(pki)], [of_signer(pki), of_signer(pki, kind)]):
            good_until(pki, staples)


def test_error_response_is_reported_as_that(pki: Pki) -> None:
    assert "it is an error: TRY_LATER" in refused(pki, [of_signer(pki, StapleKind.REFUSED)]).detail


@pytest.mark.parametrize("junk", [b"", b"\x30\x80", b"x" * 100])
def test_staple_that_is_not_a_response_is_invalid(pki: Pki, junk: bytes) -> None:
    refusal = refused(pki, [junk])
    assert refusal.reason is Reason.STAPLE_INVALID
    assert "cannot be used" in refusal.detail
    good_until(pki, [junk, of_signer(pki)])
    assert refused(pki, []).reason is Reason.STAPLE_MISSING


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_staple_with_an_altered_byte_does_not_make_a_revoked_signer_good(pki: Pki, at: int) -> None:
    honest = of_signer(pki)
    at %= len(honest)
    altered = honest[:at] + bytes([honest[at] ^ 0x55]) + honest[at + 1 :]
    try:
        until = good_until(pki, [altered])
    except NotGranted:
        return
    assert until == good_until(pki, [honest])  # the byte was in no signed part


def test_staple_with_unreadable_answers_may_be_a_revoked(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    # As cryptography before 37 has it; `test_revoked_among_several_answers_of_a_response_counts` has a real one.
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


def test_repeated_staple_is_parsed_once(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: List[bytes] = []
    real = Response

    def load(der: bytes) -> Response:
        loaded.append(der)
        return real(der)

    monkeypatch.setattr("eic_sshd.trust.ocsp.Response", load)
    one = of_signer(pki)
    good_until(pki, [one, b"x", one, b"x"])
    assert loaded == [one, b"x"]
