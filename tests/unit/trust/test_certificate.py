# SPDX-License-Identifier: Apache-2.0
"""Foreign DER: whatever parsing it raises makes that certificate or that staple unusable, and nothing more."""

from __future__ import annotations

import datetime
import functools
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Callable, Optional, Type

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from eic_sandbox.pki.authority import Identity, Pki, ec_key, issue, issue_server
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.model.reasons import Reason
from eic_sshd.trust import certificate, roots, signatures
from eic_sshd.trust.certificate import Unusable, parsed
from eic_sshd.trust.roots import Roots

from .signing import NAME, pem, refused, staples_of, trusting, verify

_MARK = "a name of an odd kind"


class PanicException(BaseException):
    """Like pyo3_runtime's, which is no Exception either."""


def odd(identity: Identity) -> bytes:
    """The DER of `identity` with a string type that no ASN.1 has where its subject holds _MARK."""
    text = _MARK.encode()
    assert bytes([0x0C, len(text)]) + text in identity.der
    return identity.der.replace(bytes([0x0C, len(text)]) + text, bytes([0x1D, len(text)]) + text)


def odd_pem(identity: Identity) -> bytes:
    return ssl.DER_cert_to_PEM_cert(odd(identity)).encode()


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError, MemoryError, PanicException, GeneratorExit])
def test_any_exception_of_the_parser_is_unusable(error: Type[BaseException]) -> None:
    def fails(value: int) -> int:
        raise error(f"value {value}")

    with pytest.raises(Unusable, match=error.__name__):
        parsed(fails, 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ImportError, ModuleNotFoundError])
def test_keyboard_interrupt_and_system_exit_are_not_converted(error: Type[BaseException]) -> None:
    def fails() -> int:
        raise error

    with pytest.raises(error):
        parsed(fails)


def test_unusable_keeps_its_first_reason() -> None:
    def fails() -> int:
        raise Unusable("it has no dates")

    with pytest.raises(Unusable, match=r"^it has no dates$"):
        parsed(fails)


def test_parsed_value_is_returned() -> None:
    assert parsed(int, "7") == 7


def test_name_of_an_unknown_string_type_is_unusable() -> None:
    stranger = issue(_MARK, ec_key(), ca=True)
    for read in (certificate.read, certificate.subject):
        with pytest.raises(Unusable):
            read(odd(stranger))


def test_unparsable_certificate_behind_the_chain_is_skipped(pki: Pki) -> None:
    stranger = odd_pem(issue(_MARK, ec_key(), pki.root, ca=True))
    signer, rest = pem(pki.chain()[:1]), pem(pki.chain()[1:])
    for presented in (signer + stranger + rest, signer + rest + stranger):
        verify(presented, staples_of(pki), trusting(pki.root))


def test_unparsable_certificate_among_the_roots_is_skipped(pki: Pki) -> None:
    stranger = odd(issue(_MARK, ec_key(), ca=True))
    for trusted in (Roots([stranger, pki.root.der], True), Roots([pki.root.der, stranger], True)):
        verify(pem(pki.chain()), staples_of(pki), functools.partial(lambda trusted, domain: trusted, trusted))


def test_unparsable_signer_is_untrusted(pki: Pki) -> None:
    names = [x509.NameAttribute(NameOID.COMMON_NAME, NAME), x509.NameAttribute(NameOID.ORGANIZATION_NAME, _MARK)]
    signer = issue_server(NAME, pki.signer.key, pki.intermediates[0], subject=x509.Name(names))
    refusal = refused(odd_pem(signer) + pem(pki.chain()[1:]), staples_of(pki), trusting(pki.root))
    assert refusal.reason is Reason.SIGNER_UNTRUSTED
    assert "cannot be parsed" in refusal.detail


def test_unparsable_certificate_in_a_staple_invalidates_only_that_staple(pki: Pki) -> None:
    responder = issue(_MARK, ec_key(), pki.intermediates[0], ca=False)
    text = staple(StapleKind.GOOD, pki.signer, pki.intermediates[0], responder=responder)
    broken = text.replace(responder.der, odd(responder))
    assert broken != text
    verify(pem(pki.chain()), [broken, *staples_of(pki)], trusting(pki.root))
    refusal = refused(pem(pki.chain()), [broken, *staples_of(pki)[1:]], trusting(pki.root))
    assert refusal.reason is Reason.STAPLE_INVALID


@pytest.mark.parametrize("cut", range(0, 900, 37))
def test_truncated_or_altered_certificate_is_unusable_or_refused(pki: Pki, cut: int) -> None:
    der = pki.signer.der
    cut %= len(der)
    with pytest.raises(Unusable):
        certificate.read(der[:cut])
    altered = der[:cut] + bytes([der[cut] ^ 0xFF]) + der[cut + 1 :]
    try:
        one = certificate.read(altered)
    except Unusable:
        return
    assert not signatures.issued(certificate.read(pki.intermediates[0].der), one)


@pytest.mark.parametrize(("more", "accepted"), [(0, True), (1, False)])
def test_certificate_of_more_than_8192_bytes_is_unusable(pki: Pki, more: int, accepted: bool) -> None:
    def padded(length: int) -> bytes:
        filler = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"x" * length)
        return issue_server(NAME, pki.signer.key, pki.root, extensions=[(filler, False)]).der

    # The length of an ECDSA signature varies by a few bytes: one try in a few is exact.
    wanted = 8192 + more
    length = 7000 + wanted - len(padded(7000))
    ders = (padded(length) for _ in range(1000))
    der = next(der for der in ders if len(der) == wanted)
    if accepted:
        assert certificate.read(der).der == der
        return
    with pytest.raises(Unusable, match="longer than 8192 bytes"):
        certificate.read(der)


def test_certificate_label_is_its_subject(pki: Pki) -> None:
    assert certificate.read(pki.root.der).label == "CN=Sandbox Root CA 1"
    assert "without a subject" in certificate.read(issue("", ec_key(), ca=True, subject=x509.Name([])).der).label
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, letter * 60) for letter in "ab"]
    long = issue("", ec_key(), ca=True, subject=x509.Name(units))
    assert certificate.read(long.der).label == f"OU={'b' * 60},OU={'a' * 60}"[:120]


def test_certificate_times_are_seconds_since_the_epoch(pki: Pki) -> None:
    one = certificate.read(pki.signer.der)
    assert one.not_after - one.not_before == 30 * 86400
    assert certificate.epoch_seconds(pki.signer.certificate, "not_valid_after") == one.not_after


UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5)


class Older:
    """A certificate as cryptography before 42 has it: naive times in UTC."""

    def __init__(self, end: Optional[datetime.datetime]) -> None:
        self.not_valid_after = end


class Newer:
    """As a version has it that has dropped the older names."""

    def __init__(self, end: Optional[datetime.datetime]) -> None:
        self.not_valid_after_utc = end and end.replace(tzinfo=UTC)


@pytest.mark.parametrize("version", [Older, Newer])
def test_certificate_time_is_read_by_the_librarys_name_for_it(
    version: Callable[[Optional[datetime.datetime]], object],
) -> None:
    assert certificate.epoch_seconds(version(MOMENT), "not_valid_after") == MOMENT.replace(tzinfo=UTC).timestamp()
    assert certificate.epoch_seconds(version(None), "not_valid_after") is None


READ_ALL = """
import sys, warnings
from eic_sshd.trust import certificate, roots
for path in sys.argv[1:]:
    for der in roots.pem_certificates(open(path, "rb").read()):
        try:
            certificate.read(der)
        except certificate.Unusable as problem:
            print(problem)
warnings.warn("another warning")
"""


def test_warnings_about_serial_numbers_are_suppressed_and_others_are_not(pki: Pki, tmp_path: Path) -> None:
    positive = issue_server(NAME, pki.signer.key, pki.root, serial=0x010203040506).der
    negative = positive.replace(b"\x02\x06\x01\x02\x03\x04\x05\x06", b"\x02\x06\x81\x02\x03\x04\x05\x06")
    assert negative != positive
    path = tmp_path / "negative.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(negative))
    # One of Amazon's roots in the distribution's bundle has the serial number 0.
    paths = [str(path), *filter(os.path.exists, roots.SYSTEM_BUNDLES)]
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", READ_ALL, *paths],
        cwd=Path(certificate.__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "serial number" not in done.stderr
    assert "another warning" in done.stderr
