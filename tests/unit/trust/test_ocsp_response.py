# SPDX-License-Identifier: Apache-2.0
"""A REVOKED counts in whatever shape it comes; beside one that cannot be looked at no GOOD counts."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from cryptography import x509
from cryptography.x509 import ocsp as cryptography_ocsp

from eic_sandbox.pki.authority import Identity, Pki, ec_key, issue, issue_server
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust.certificate import Unusable, read
from eic_sshd.trust.ocsp import Staples
from eic_sshd.trust.ocsp_response import MAX_ANSWERS, MAX_LENGTH, Answer, Response, Undecided, may_concern

from .signing import NAME, command, parsed
from .stapling import (
    GOOD,
    INVALID,
    IS_REVOKED,
    READS_SEVERAL,
    REVOKED,
    SHA1,
    UNKNOWN_HASH,
    Parts,
    beside_good,
    of_signer,
    other_single,
    parts,
    result,
)


@pytest.mark.parametrize("position", [0, 1])
def test_incomparable_certid_does_not_hide_a_revoked_beside_it(pki: Pki, position: int) -> None:
    good, revoked = parts(pki, GOOD), parts(pki)
    singles = [good.single.replace(SHA1, UNKNOWN_HASH)]
    singles.insert(position, revoked.single)
    found = beside_good(pki, revoked.response(pki.intermediates[0], singles))
    assert found is (IS_REVOKED if READS_SEVERAL else INVALID)


def test_incomparable_certid_is_a_doubt_only_for_an_authorized_revoked(pki: Pki) -> None:
    for kind, maker, expected in (
        (REVOKED, pki.intermediates[0], INVALID),
        (GOOD, pki.intermediates[0], None),
        (StapleKind.UNKNOWN, pki.intermediates[0], None),
        (REVOKED, issue("Foreign", ec_key(), ca=False), None),
    ):
        made = parts(pki, kind)
        odd = made.response(maker, [made.single.replace(SHA1, UNKNOWN_HASH)])
        assert beside_good(pki, odd) is expected
        assert result(pki, [odd]) is INVALID or expected is None


def test_good_with_an_incomparable_certid_vouches_for_nothing(pki: Pki) -> None:
    good = parts(pki, GOOD)
    odd = good.response(pki.intermediates[0], [good.single.replace(SHA1, UNKNOWN_HASH)])
    with pytest.raises(NotGranted, match="cannot be parsed"):
        Staples([odd], command(), 60).verify_status(parsed(pki.signer, pki.intermediates[0]))


@pytest.mark.skipif(not READS_SEVERAL, reason="cryptography before 37 reads one answer only")
def test_revoked_counts_among_the_most_answers_that_are_read(pki: Pki) -> None:
    revoked, other = parts(pki), other_single(pki)
    before = [other] * (MAX_ANSWERS - 1)
    assert beside_good(pki, revoked.response(pki.intermediates[0], [*before, revoked.single])) is IS_REVOKED
    assert MAX_ANSWERS == 16


def test_staple_with_too_many_answers_is_a_doubt_if_it_has_a_serial_number_of_the_path(pki: Pki) -> None:
    revoked, good, other = parts(pki), parts(pki, GOOD), other_single(pki)
    for first in (other, good.single):
        text = revoked.response(pki.intermediates[0], [*[first] * MAX_ANSWERS, revoked.single])
        assert beside_good(pki, text) is INVALID
    assert beside_good(pki, revoked.response(pki.intermediates[0], [other] * (MAX_ANSWERS + 1))) is None


@pytest.mark.parametrize("which", [0, 1, 2])  # revocationTime, thisUpdate, nextUpdate
def test_revoked_with_an_impossible_time_counts(pki: Pki, which: int) -> None:
    revoked = parts(pki)
    at = -1
    for _ in range(which + 1):
        at = revoked.single.index(b"\x18\x0f", at + 1)
    single = revoked.single[: at + 2] + b"20269999999999Z" + revoked.single[at + 17 :]
    odd = revoked.response(pki.intermediates[0], [single])
    try:
        cryptography_ocsp.load_der_ocsp_response(odd)
    except ValueError:  # newer versions of cryptography load no such response at all
        assert beside_good(pki, odd) is INVALID
    else:
        assert beside_good(pki, odd) is IS_REVOKED


class OddSingle:
    """An answer of which some parts cannot be parsed, as cryptography 3.4 has it of an impossible time."""

    def __init__(self, status: Optional[cryptography_ocsp.OCSPCertStatus]) -> None:
        self._status = status

    @property
    def certificate_status(self) -> cryptography_ocsp.OCSPCertStatus:
        if self._status is None:
            raise ValueError("status")
        return self._status

    @property
    def this_update(self) -> Any:
        raise ValueError("time")

    next_update = this_update_utc = next_update_utc = this_update


def test_unparsable_status_may_be_a_revoked(pki: Pki) -> None:
    response = Response(of_signer(pki))
    statuses = cryptography_ocsp.OCSPCertStatus
    revoked = Answer(response, OddSingle(statuses.REVOKED), None)  # type: ignore[arg-type]
    revoked.require_revoked()
    assert revoked.may_be_revoked
    assert not revoked.is_good
    good = Answer(response, OddSingle(statuses.GOOD), None)  # type: ignore[arg-type]
    assert good.is_good
    assert not good.may_be_revoked
    with pytest.raises(Unusable, match="time"):
        good.times()
    unknown = Answer(response, OddSingle(None), None)  # type: ignore[arg-type]
    assert unknown.may_be_revoked
    assert not unknown.is_good
    with pytest.raises(Undecided, match="status"):
        unknown.require_revoked()
    with pytest.raises(Undecided, match="CertID"):
        revoked._replace(problem="CertID").require_revoked()
    assert not good._replace(problem="CertID").is_good


@pytest.mark.parametrize(("extra", "expected"), [(0, IS_REVOKED), (1, INVALID)])
def test_revoked_counts_up_to_16_kib_and_is_a_doubt_beyond(pki: Pki, extra: int, expected: Reason) -> None:
    def padded(kind: StapleKind, subject: Identity) -> bytes:
        made = Parts(staple(kind, subject, pki.intermediates[0]))
        size = MAX_LENGTH + extra - 1200
        for _ in range(500):  # ECDSA signatures differ in length
            filler = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(size))
            certificate = issue("Filler", ec_key(), ca=False, extensions=[(filler, False)]).der
            text = made.response(pki.intermediates[0], [made.single], [certificate])
            if len(text) == MAX_LENGTH + extra:
                return text
            size += MAX_LENGTH + extra - len(text)
        raise AssertionError("no staple of that length")

    assert MAX_LENGTH == 16384
    assert beside_good(pki, padded(REVOKED, pki.signer)) is expected
    assert beside_good(pki, padded(REVOKED, issue_server(NAME, pki.signer.key, pki.intermediates[0]))) is None


def test_unparsable_staple_is_a_doubt_only_if_it_has_a_serial_number_of_the_path(pki: Pki) -> None:
    revoked = of_signer(pki, REVOKED)
    sibling = staple(REVOKED, issue_server(NAME, pki.signer.key, pki.intermediates[0]), pki.intermediates[0])
    assert beside_good(pki, revoked[:-1]) is INVALID
    assert beside_good(pki, sibling[:-1]) is None
    assert beside_good(pki, of_signer(pki, StapleKind.REFUSED)) is None
    assert beside_good(pki, revoked.replace(b"\x0a\x01\x00", b"\x0a\x01\x03", 1)) is INVALID  # called an error


@pytest.mark.parametrize("serial", [1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 2**64, 2**158 + 1])
def test_serial_number_is_found_in_its_der_form(pki: Pki, serial: int) -> None:
    made = issue_server(NAME, pki.signer.key, pki.intermediates[0], serial=serial)
    one, text = read(made.der), staple(GOOD, made, pki.intermediates[0])
    assert may_concern(text, one)
    assert not may_concern(of_signer(pki), one._replace(serial=2**150 + serial))
    assert not may_concern(of_signer(pki, StapleKind.REFUSED), one)


@pytest.mark.parametrize(("serial", "der"), [(0, "020100"), (-1, "0201ff"), (-128, "020180"), (-129, "0202ff7f")])
def test_serial_number_that_is_not_positive_is_found(pki: Pki, serial: int, der: str) -> None:
    assert may_concern(bytes.fromhex(der), read(pki.signer.der)._replace(serial=serial))


@pytest.mark.parametrize("head", ["027f", "028180", "02820100"])
def test_serial_number_that_is_too_long_is_found(pki: Pki, head: str) -> None:
    content = b"\x01" * {"027f": 127, "028180": 128, "02820100": 256}[head]
    one = read(pki.signer.der)._replace(serial=int.from_bytes(content, "big"))
    assert may_concern(bytes.fromhex(head) + content, one)
    assert not may_concern(bytes.fromhex(head) + content[1:], one)
    assert may_concern(content, one) is (head != "027f")


def test_revoked_intermediate_is_reported_beside_a_doubt_about_another_staple(pki: Pki) -> None:
    path = parsed(*pki.chain()[:2], pki.root)
    staples = [of_signer(pki, REVOKED)[:-1], staple(REVOKED, pki.intermediates[0], pki.root)]
    with pytest.raises(NotGranted) as caught:
        Staples(staples, command(), 60).verify_status(path)
    assert caught.value.reason is IS_REVOKED
