# SPDX-License-Identifier: Apache-2.0
"""A REVOKED counts in whatever shape it comes; beside one that cannot be looked at no GOOD counts."""

from __future__ import annotations

from typing import Any, Iterator, List, Optional, Sequence, Tuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp as cryptography_ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from eic_sandbox.pki.authority import Identity, Pki, ec_key, issue, issue_server
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import signatures
from eic_sshd.trust.certificate import Unusable, read
from eic_sshd.trust.ocsp import Staples
from eic_sshd.trust.ocsp_response import MAX_ANSWERS, MAX_LENGTH, Answer, CertIds, Response, Undecided, may_concern
from eic_sshd.trust.responders import MAX_CERTIFICATES, MAX_SIGNATURES, Responders

from .signing import NAME, command, parsed

GOOD, REVOKED = StapleKind.GOOD, StapleKind.REVOKED
INVALID, IS_REVOKED = Reason.STAPLE_INVALID, Reason.SIGNER_REVOKED
READS_SEVERAL = hasattr(cryptography_ocsp.OCSPResponse, "responses")  # since cryptography 37
SHA1 = bytes.fromhex("06052b0e03021a")
UNKNOWN_HASH = bytes.fromhex("06052b0e030215")
ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")
DSA_SHA256 = bytes.fromhex("0609608648016503040302")
UNKNOWN_ALGORITHM = bytes.fromhex("06082a8648ce3d04037f")


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


def of_signer(pki: Pki, kind: StapleKind = GOOD, **options: Any) -> bytes:
    return staple(kind, pki.signer, pki.intermediates[0], **options)


def parts(pki: Pki, kind: StapleKind = REVOKED, **options: Any) -> Parts:
    return Parts(of_signer(pki, kind, **options))


def responder(pki: Pki, **options: Any) -> Identity:
    options = {"usages": [ExtendedKeyUsageOID.OCSP_SIGNING], **options}
    return issue("Responder", ec_key(), pki.intermediates[0], ca=False, **options)


def strangers(many: int) -> List[Identity]:
    return [issue("Responder", ec_key(), ca=False) for _ in range(many)]


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


# Answers.


@pytest.mark.parametrize("position", [0, 1])
def test_an_answer_whose_certid_cannot_be_compared_hides_no_revoked_beside_it(pki: Pki, position: int) -> None:
    good, revoked = parts(pki, GOOD), parts(pki)
    singles = [good.single.replace(SHA1, UNKNOWN_HASH)]
    singles.insert(position, revoked.single)
    found = beside_good(pki, revoked.response(pki.intermediates[0], singles))
    assert found is (IS_REVOKED if READS_SEVERAL else INVALID)


def test_a_certid_that_cannot_be_compared_matters_only_where_the_answer_may_be_an_authorized_revoked(pki: Pki) -> None:
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


def test_a_good_whose_certid_cannot_be_compared_vouches_for_nothing(pki: Pki) -> None:
    good = parts(pki, GOOD)
    odd = good.response(pki.intermediates[0], [good.single.replace(SHA1, UNKNOWN_HASH)])
    with pytest.raises(NotGranted, match="cannot be parsed"):
        Staples([odd], command(), 60).verify_status(parsed(pki.signer, pki.intermediates[0]))


@pytest.mark.skipif(not READS_SEVERAL, reason="cryptography before 37 reads one answer only")
def test_a_revoked_counts_among_as_many_answers_as_are_read(pki: Pki) -> None:
    revoked, other = parts(pki), other_single(pki)
    before = [other] * (MAX_ANSWERS - 1)
    assert beside_good(pki, revoked.response(pki.intermediates[0], [*before, revoked.single])) is IS_REVOKED
    assert MAX_ANSWERS == 16


def test_a_staple_with_more_answers_is_refused_if_it_has_the_serial_of_a_certificate_of_the_path(pki: Pki) -> None:
    revoked, good, other = parts(pki), parts(pki, GOOD), other_single(pki)
    for first in (other, good.single):
        text = revoked.response(pki.intermediates[0], [*[first] * MAX_ANSWERS, revoked.single])
        assert beside_good(pki, text) is INVALID
    assert beside_good(pki, revoked.response(pki.intermediates[0], [other] * (MAX_ANSWERS + 1))) is None


@pytest.mark.parametrize("which", [0, 1, 2])  # revocationTime, thisUpdate, nextUpdate
def test_a_revoked_with_an_impossible_time_is_not_passed_over(pki: Pki, which: int) -> None:
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


def test_a_revoked_needs_no_times_and_a_status_that_cannot_be_parsed_may_be_one(pki: Pki) -> None:
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


# Staples that cannot be read.


@pytest.mark.parametrize(("extra", "expected"), [(0, IS_REVOKED), (1, INVALID)])
def test_a_revoked_is_read_up_to_a_length_and_refused_beyond(pki: Pki, extra: int, expected: Reason) -> None:
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


def test_what_cannot_be_parsed_matters_only_with_the_serial_of_a_certificate_of_the_path(pki: Pki) -> None:
    revoked = of_signer(pki, REVOKED)
    sibling = staple(REVOKED, issue_server(NAME, pki.signer.key, pki.intermediates[0]), pki.intermediates[0])
    assert beside_good(pki, revoked[:-1]) is INVALID
    assert beside_good(pki, sibling[:-1]) is None
    assert beside_good(pki, of_signer(pki, StapleKind.REFUSED)) is None
    assert beside_good(pki, revoked.replace(b"\x0a\x01\x00", b"\x0a\x01\x03", 1)) is INVALID  # called an error


@pytest.mark.parametrize("serial", [1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 2**64, 2**158 + 1])
def test_a_serial_is_found_as_der_has_it(pki: Pki, serial: int) -> None:
    made = issue_server(NAME, pki.signer.key, pki.intermediates[0], serial=serial)
    one, text = read(made.der), staple(GOOD, made, pki.intermediates[0])
    assert may_concern(text, one)
    assert not may_concern(of_signer(pki), one._replace(serial=2**150 + serial))
    assert not may_concern(of_signer(pki, StapleKind.REFUSED), one)


@pytest.mark.parametrize(("serial", "der"), [(0, "020100"), (-1, "0201ff"), (-128, "020180"), (-129, "0202ff7f")])
def test_a_serial_that_is_not_positive_is_found_too(pki: Pki, serial: int, der: str) -> None:
    assert may_concern(bytes.fromhex(der), read(pki.signer.der)._replace(serial=serial))


@pytest.mark.parametrize("head", ["027f", "028180", "02820100"])
def test_a_serial_longer_than_any_is_found_too(pki: Pki, head: str) -> None:
    content = b"\x01" * {"027f": 127, "028180": 128, "02820100": 256}[head]
    one = read(pki.signer.der)._replace(serial=int.from_bytes(content, "big"))
    assert may_concern(bytes.fromhex(head) + content, one)
    assert not may_concern(bytes.fromhex(head) + content[1:], one)
    assert may_concern(content, one) is (head != "027f")


def test_a_revoked_intermediate_is_named_though_another_staple_leaves_a_doubt(pki: Pki) -> None:
    path = parsed(*pki.chain()[:2], pki.root)
    staples = [of_signer(pki, REVOKED)[:-1], staple(REVOKED, pki.intermediates[0], pki.root)]
    with pytest.raises(NotGranted) as caught:
        Staples(staples, command(), 60).verify_status(path)
    assert caught.value.reason is IS_REVOKED


# Makers.


def test_the_delegates_certificate_may_be_any_of_those_in_all_staples(pki: Pki) -> None:
    one, others = responder(pki), strangers(MAX_CERTIFICATES)
    for before in (0, 3, 4, 5, MAX_CERTIFICATES - 1):
        listed = [*others[:before], one]
        assert beside_good(pki, of_signer(pki, REVOKED, responder=one, certificates=listed)) is IS_REVOKED
        assert result(pki, [of_signer(pki, responder=one, certificates=listed)]) is None
    sibling = issue_server(NAME, pki.signer.key, pki.intermediates[0])
    elsewhere = staple(GOOD, sibling, pki.intermediates[0], responder=one, certificates=[one])
    assert beside_good(pki, of_signer(pki, REVOKED, responder=one, certificates=others[:1]), elsewhere) is IS_REVOKED
    assert beside_good(pki, of_signer(pki, REVOKED, responder=one, certificates=[]), elsewhere) is IS_REVOKED
    assert MAX_CERTIFICATES == 16


def test_a_revoked_is_refused_where_its_maker_may_be_among_certificates_that_are_not_looked_at(pki: Pki) -> None:
    one, others = responder(pki), strangers(MAX_CERTIFICATES)
    for kind, expected in ((REVOKED, INVALID), (GOOD, None)):
        text = of_signer(pki, kind, responder=one, certificates=[*others, one])
        assert beside_good(pki, text) is expected
        spread = [of_signer(pki, kind, responder=one, certificates=[other]) for other in [*others, one]]
        assert beside_good(pki, *spread) is expected
    assert result(pki, [text]) is INVALID
    foreign = of_signer(pki, REVOKED, responder=others[0], certificates=others)
    assert beside_good(pki, foreign) is None


def test_a_certificate_that_several_staples_have_counts_once(pki: Pki) -> None:
    one, others = responder(pki), strangers(MAX_CERTIFICATES - 1)
    repeated = [of_signer(pki, fresh_for=number, certificates=others) for number in range(100, 103)]
    assert beside_good(pki, *repeated, of_signer(pki, REVOKED, responder=one)) is IS_REVOKED
    full = [of_signer(pki, fresh_for=number, certificates=[*others, one]) for number in range(100, 103)]
    assert beside_good(pki, *full, *forged(pki, 1)) is None


def test_the_certificates_of_a_staple_are_listed_once(pki: Pki) -> None:
    class Counted(Response):
        listings = 0

        def certificates(self) -> List[x509.Certificate]:
            self.listings += 1
            return super().certificates()

    response = Counted(forged(pki, 1)[0])
    makers = Responders([response])
    for issuer in parsed(pki.intermediates[0], pki.root):
        with pytest.raises(Unusable, match="neither"):
            makers.maker(response, issuer)
    assert response.listings == 1


def test_a_delegate_below_an_intermediate_is_revoked_by_that_one(pki: Pki) -> None:
    one, path = responder(pki), parsed(*pki.chain()[:2], pki.root)
    staples = [of_signer(pki, responder=one), staple(GOOD, pki.intermediates[0], pki.root)]
    Staples(staples, command(), 60).verify_status(path)
    with pytest.raises(NotGranted, match="it is revoked"):
        Staples([*staples, staple(REVOKED, one, pki.intermediates[0])], command(), 60).verify_status(path)


def test_a_revoked_in_an_algorithm_that_is_not_verified_is_not_passed_over(pki: Pki) -> None:
    pss = bytes.fromhex("06092a864886f70d01010a")
    for kind, expected in ((REVOKED, INVALID), (GOOD, None)):
        made = parts(pki, kind)
        for algorithm in (UNKNOWN_ALGORITHM, DSA_SHA256, pss):
            assert beside_good(pki, made.response(pki.intermediates[0], [made.single], [], algorithm)) is expected


def in_dsa(pki: Pki, certificate: Identity) -> bytes:
    """The certificate, by the signer's issuer, with another signature algorithm named in it."""
    signed, algorithm, _ = children(certificate.der)
    named = tlv(0x30, DSA_SHA256)
    signed = tlv(0x30, b"".join(named if part == algorithm else part for part in children(signed)))
    signatures = ecdsa(pki.intermediates[0], signed)
    return tlv(0x30, signed + named + tlv(0x03, b"\0" + signatures))


def test_a_delegates_certificate_in_an_algorithm_that_is_not_verified_leaves_a_doubt(pki: Pki) -> None:
    one = responder(pki)
    for odd in (one.der.replace(ECDSA_SHA256, UNKNOWN_ALGORITHM), in_dsa(pki, one)):
        for kind, expected, found in ((REVOKED, INVALID, IS_REVOKED), (GOOD, None, None)):
            made = parts(pki, kind, responder=one)
            assert beside_good(pki, made.response(one, [made.single], [odd])) is expected
            assert result(pki, [made.response(one, [made.single], [odd, one.der])]) is found


def test_certificates_that_cannot_be_listed_leave_a_doubt(pki: Pki) -> None:
    class Unlistable(Response):
        def certificates(self) -> List[x509.Certificate]:
            raise Unusable("no list")

    one, issuer = responder(pki), read(pki.intermediates[0].der)
    revoked = Unlistable(of_signer(pki, REVOKED, responder=one))
    with pytest.raises(Undecided, match="no list"):
        Responders([revoked]).maker(revoked, issuer)
    elsewhere = Response(of_signer(pki, REVOKED, responder=one))
    assert Responders([revoked, elsewhere]).maker(revoked, issuer).der == one.der


def test_a_responders_name_that_cannot_be_parsed_leaves_a_doubt(pki: Pki) -> None:
    revoked = parts(pki, by_name=True)
    at = revoked.responder.index(b"\x0c")
    name = revoked.responder[:at] + b"\x0f" + revoked.responder[at + 1 :]
    odd = revoked.response(pki.intermediates[0], [revoked.single], responder=name)
    assert beside_good(pki, odd) is INVALID
    foreign = issue("Foreign", ec_key(), ca=False)
    assert beside_good(pki, revoked.response(foreign, [revoked.single])) is None


def test_a_doubt_about_a_delegate_takes_its_good_away_and_no_other(pki: Pki) -> None:
    one = responder(pki)
    unread = staple(REVOKED, one, pki.intermediates[0])[:-1]
    good = of_signer(pki, responder=one, fresh_for=7200)
    assert result(pki, [good, unread]) is INVALID
    assert result(pki, [good]) is None
    assert beside_good(pki, good, unread) is None


# What nobody signed costs little.


def forged(pki: Pki, many: int) -> List[bytes]:
    """REVOKED in the issuer's name that others signed."""
    revoked, foreign = parts(pki), issue("Foreign", ec_key(), ca=False)
    return [revoked.response(foreign, [revoked.single]) for _ in range(many)]


def test_so_many_signatures_are_verified_and_no_more(pki: Pki) -> None:
    assert MAX_SIGNATURES == 128
    staples = forged(pki, MAX_SIGNATURES)
    assert result(pki, [*staples[1:], of_signer(pki)]) is None
    assert result(pki, [*staples, of_signer(pki)]) is INVALID
    assert result(pki, [*staples, of_signer(pki, REVOKED)]) is INVALID
    assert result(pki, [*staples[1:], of_signer(pki, REVOKED)]) is IS_REVOKED


def test_the_maker_of_a_staple_is_found_once(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: List[bytes] = []
    real = signatures.is_signed_by

    def is_signed_by(key: Any, made: bytes, signed: bytes, algorithm: Any) -> bool:
        verified.append(made)
        return real(key, made, signed, algorithm)

    monkeypatch.setattr("eic_sshd.trust.responders.is_signed_by", is_signed_by)
    issuer, one = read(pki.intermediates[0].der), responder(pki)
    texts = [of_signer(pki, kind, responder=one) for kind in (GOOD, REVOKED)]
    found = [Response(text) for text in (*texts, *forged(pki, 1))]
    makers = Responders(found)
    for _ in range(3):
        assert [makers.maker(each, issuer).der for each in found[:2]] == [one.der] * 2
        with pytest.raises(Unusable, match="neither"):
            makers.maker(found[2], issuer)
    assert len(verified) == 1 + 2 + 1  # the delegate's certificate, its two staples, the forged one


def test_nothing_is_read_of_certificates_and_names_that_nobody_signed(
    pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_here: List[bytes] = []
    names: List[Response] = []
    real_read, real_name = read, Response.name

    def reading(der: bytes) -> Any:
        read_here.append(der)
        return real_read(der)

    def naming(self: Response) -> Optional[x509.Name]:
        names.append(self)
        return real_name(self)

    monkeypatch.setattr("eic_sshd.trust.responders.read", reading)
    monkeypatch.setattr(Response, "name", naming)
    foreign = strangers(3)
    for by_name in (True, False):
        text = of_signer(pki, REVOKED, responder=foreign[0], certificates=foreign, by_name=by_name)
        assert beside_good(pki, text) is None
    assert (read_here, names) == ([], [])


def test_no_certificate_is_listed_where_the_issuer_answers(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlisted(self: Response) -> List[x509.Certificate]:
        raise AssertionError("listed")

    monkeypatch.setattr(Response, "certificates", unlisted)
    assert result(pki, [of_signer(pki, certificates=strangers(1))]) is None
    assert result(pki, [of_signer(pki, REVOKED, certificates=strangers(1))]) is IS_REVOKED


def test_the_certid_of_a_certificate_is_computed_once(pki: Pki) -> None:
    signer, issuer = parsed(pki.signer, pki.intermediates[0])
    ids = CertIds()
    for certificate in (signer, signer._replace(parsed=object())):  # type: ignore[arg-type]  # nothing to compute it of
        (answer,) = Response(of_signer(pki)).answers(certificate, issuer, ids)
        assert answer.problem is None
