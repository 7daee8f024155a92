# SPDX-License-Identifier: Apache-2.0
"""Which responder made a staple, and the work that a staple without a valid maker can cause."""

from __future__ import annotations

from typing import Any, List, Optional

import pytest
from cryptography import x509

from eic_sandbox.pki.authority import Identity, Pki, ec_key, issue, issue_server
from eic_sandbox.pki.ocsp import staple
from eic_sshd.model.reasons import NotGranted
from eic_sshd.trust import signatures
from eic_sshd.trust.certificate import Unusable, read
from eic_sshd.trust.ocsp import Staples
from eic_sshd.trust.ocsp_response import CertIds, Response, Undecided
from eic_sshd.trust.responders import MAX_CERTIFICATES, MAX_SIGNATURES, Responders

from .signing import NAME, command, parsed
from .stapling import (
    DSA_SHA256,
    ECDSA_SHA256,
    GOOD,
    INVALID,
    IS_REVOKED,
    REVOKED,
    UNKNOWN_ALGORITHM,
    beside_good,
    children,
    ecdsa,
    of_signer,
    parts,
    responder,
    result,
    tlv,
)


def strangers(many: int) -> List[Identity]:
    return [issue("Responder", ec_key(), ca=False) for _ in range(many)]


def test_certificate_of_a_delegate_may_be_in_another_staple(pki: Pki) -> None:
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


def test_revoked_is_a_doubt_when_its_maker_may_be_among_unread_certificates(pki: Pki) -> None:
    one, others = responder(pki), strangers(MAX_CERTIFICATES)
    for kind, expected in ((REVOKED, INVALID), (GOOD, None)):
        text = of_signer(pki, kind, responder=one, certificates=[*others, one])
        assert beside_good(pki, text) is expected
        spread = [of_signer(pki, kind, responder=one, certificates=[other]) for other in [*others, one]]
        assert beside_good(pki, *spread) is expected
    assert result(pki, [text]) is INVALID
    foreign = of_signer(pki, REVOKED, responder=others[0], certificates=others)
    assert beside_good(pki, foreign) is None


def test_certificate_in_several_staples_counts_once(pki: Pki) -> None:
    one, others = responder(pki), strangers(MAX_CERTIFICATES - 1)
    repeated = [of_signer(pki, fresh_for=number, certificates=others) for number in range(100, 103)]
    assert beside_good(pki, *repeated, of_signer(pki, REVOKED, responder=one)) is IS_REVOKED
    full = [of_signer(pki, fresh_for=number, certificates=[*others, one]) for number in range(100, 103)]
    assert beside_good(pki, *full, *forged(pki, 1)) is None


def test_certificates_of_a_staple_are_listed_once(pki: Pki) -> None:
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


def test_revoked_delegate_of_an_intermediate_vouches_for_nothing(pki: Pki) -> None:
    one, path = responder(pki), parsed(*pki.chain()[:2], pki.root)
    staples = [of_signer(pki, responder=one), staple(GOOD, pki.intermediates[0], pki.root)]
    Staples(staples, command(), 60).verify_status(path)
    with pytest.raises(NotGranted, match="it is revoked"):
        Staples([*staples, staple(REVOKED, one, pki.intermediates[0])], command(), 60).verify_status(path)


def test_revoked_with_an_unsupported_signature_algorithm_is_a_doubt(pki: Pki) -> None:
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


def test_delegate_certificate_with_an_unsupported_signature_algorithm_is_a_doubt(pki: Pki) -> None:
    one = responder(pki)
    for odd in (one.der.replace(ECDSA_SHA256, UNKNOWN_ALGORITHM), in_dsa(pki, one)):
        for kind, expected, found in ((REVOKED, INVALID, IS_REVOKED), (GOOD, None, None)):
            made = parts(pki, kind, responder=one)
            assert beside_good(pki, made.response(one, [made.single], [odd])) is expected
            assert result(pki, [made.response(one, [made.single], [odd, one.der])]) is found


def test_unlistable_certificates_of_a_staple_are_a_doubt(pki: Pki) -> None:
    class Unlistable(Response):
        def certificates(self) -> List[x509.Certificate]:
            raise Unusable("no list")

    one, issuer = responder(pki), read(pki.intermediates[0].der)
    revoked = Unlistable(of_signer(pki, REVOKED, responder=one))
    with pytest.raises(Undecided, match="no list"):
        Responders([revoked]).maker(revoked, issuer)
    elsewhere = Response(of_signer(pki, REVOKED, responder=one))
    assert Responders([revoked, elsewhere]).maker(revoked, issuer).der == one.der


def test_unparsable_responder_name_is_a_doubt(pki: Pki) -> None:
    revoked = parts(pki, by_name=True)
    at = revoked.responder.index(b"\x0c")
    name = revoked.responder[:at] + b"\x0f" + revoked.responder[at + 1 :]
    odd = revoked.response(pki.intermediates[0], [revoked.single], responder=name)
    assert beside_good(pki, odd) is INVALID
    foreign = issue("Foreign", ec_key(), ca=False)
    assert beside_good(pki, revoked.response(foreign, [revoked.single])) is None


def test_doubt_about_a_delegate_invalidates_only_its_own_staples(pki: Pki) -> None:
    one = responder(pki)
    unread = staple(REVOKED, one, pki.intermediates[0])[:-1]
    good = of_signer(pki, responder=one, fresh_for=7200)
    assert result(pki, [good, unread]) is INVALID
    assert result(pki, [good]) is None
    assert beside_good(pki, good, unread) is None


def forged(pki: Pki, many: int) -> List[bytes]:
    """REVOKED in the issuer's name that others signed."""
    revoked, foreign = parts(pki), issue("Foreign", ec_key(), ca=False)
    return [revoked.response(foreign, [revoked.single]) for _ in range(many)]


def test_at_most_128_signatures_of_staples_are_verified(pki: Pki) -> None:
    assert MAX_SIGNATURES == 128
    staples = forged(pki, MAX_SIGNATURES)
    assert result(pki, [*staples[1:], of_signer(pki)]) is None
    assert result(pki, [*staples, of_signer(pki)]) is INVALID
    assert result(pki, [*staples, of_signer(pki, REVOKED)]) is INVALID
    assert result(pki, [*staples[1:], of_signer(pki, REVOKED)]) is IS_REVOKED


def test_maker_of_a_staple_is_found_only_once(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_unsigned_certificates_and_names_are_not_parsed(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_certificates_are_not_listed_when_the_issuer_made_the_staple(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlisted(self: Response) -> List[x509.Certificate]:
        raise AssertionError("listed")

    monkeypatch.setattr(Response, "certificates", unlisted)
    assert result(pki, [of_signer(pki, certificates=strangers(1))]) is None
    assert result(pki, [of_signer(pki, REVOKED, certificates=strangers(1))]) is IS_REVOKED


def test_certid_of_a_certificate_is_computed_once(pki: Pki) -> None:
    signer, issuer = parsed(pki.signer, pki.intermediates[0])
    ids = CertIds()
    for certificate in (signer, signer._replace(parsed=object())):  # type: ignore[arg-type]  # nothing to compute it of
        (answer,) = Response(of_signer(pki)).answers(certificate, issuer, ids)
        assert answer.problem is None
