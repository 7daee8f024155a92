# SPDX-License-Identifier: Apache-2.0
"""Our own rules for the certificates on a path, each with what it refuses and what is just inside it."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, Type

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eic_sandbox.pki.authority import Pki, ec_key, issue, issue_server, key_usage
from eic_sshd.model.reasons import Reason
from eic_sshd.trust import certificate, profile, roots
from eic_sshd.trust.certificate import Certificate, Unusable, read

from .signing import NAME, pem, refused, self_signed_with_sha1, staples_of, trusting, verify

NETWORK = ip_network("192.0.2.0/24")
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def accepts(rule: Callable[[Certificate], None], one: Certificate) -> bool:
    try:
        rule(one)
        return True
    except Unusable:
        return False


def with_extension(one: Certificate, value: x509.ExtensionType, critical: bool) -> Certificate:
    """`one` with that extension in place of the one of its kind."""
    kept = without(one, type(value)).extensions
    return one._replace(extensions=x509.Extensions([*kept, x509.Extension(value.oid, critical, value)]))


def without(one: Certificate, kind: Type[x509.ExtensionType]) -> Certificate:
    return one._replace(
        extensions=x509.Extensions([each for each in one.extensions if not isinstance(each.value, kind)])
    )


@pytest.fixture(scope="module")
def signer(pki: Pki) -> Certificate:
    return read(pki.signer.der)


@pytest.fixture(scope="module")
def authority(pki: Pki) -> Certificate:
    return read(pki.intermediates[0].der)


@pytest.fixture(scope="module")
def root(pki: Pki) -> Certificate:
    return read(pki.root.der)


# Version and key: every certificate.


def rsa_public(bits: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, (1 << bits) - 159).public_key()


@pytest.mark.parametrize(
    ("bits", "accepted"),
    [(1024, False), (2040, False), (2048, True), (2052, False), (4096, True), (8192, True), (8200, False),
     (16384, False)],
)  # fmt: skip
def test_rsa_key_of_an_unusual_length_is_refused(signer: Certificate, bits: int, accepted: bool) -> None:
    one = signer._replace(key=rsa_public(bits))
    assert accepts(profile.require_sound, one) == accepted
    if not accepted:
        with pytest.raises(Unusable, match=f"has {bits} bits, not 2048 to 8192 in whole bytes"):
            profile.require_sound(one)


@pytest.mark.parametrize(("bits", "accepted"), [(2, True), (17, True), (64, True), (65, False), (2000, False)])
def test_rsa_key_with_a_long_exponent_is_refused(signer: Certificate, bits: int, accepted: bool) -> None:
    key = rsa_public(2048, (1 << (bits - 1)) + 1)
    assert accepts(profile.require_sound, signer._replace(key=key)) == accepted


@pytest.mark.parametrize(
    ("curve", "accepted"),
    [(ec.SECP256R1(), True), (ec.SECP384R1(), True), (ec.SECP521R1(), True), (ec.SECP256K1(), False),
     (ec.SECP192R1(), False)],
)  # fmt: skip
def test_key_on_an_unusual_curve_is_refused(signer: Certificate, curve: ec.EllipticCurve, accepted: bool) -> None:
    try:
        key = ec.generate_private_key(curve).public_key()
    except Exception as error:  # newer libraries have fewer curves
        pytest.skip(f"no such key can be made: {error}")
    assert accepts(profile.require_sound, signer._replace(key=key)) == accepted


def test_key_of_another_kind_is_refused(signer: Certificate) -> None:
    assert accepts(profile.require_sound, signer._replace(key=ed25519.Ed25519PrivateKey.generate().public_key()))
    for key in (dsa.generate_private_key(2048).public_key(), ed448.Ed448PrivateKey.generate().public_key()):
        assert not accepts(profile.require_sound, signer._replace(key=key))


@pytest.mark.parametrize(("version", "accepted"), [(1, False), (2, False), (3, True), (4, False)])
def test_certificate_of_another_version_than_3_is_refused(signer: Certificate, version: int, accepted: bool) -> None:
    assert accepts(profile.require_sound, signer._replace(version=version)) == accepted


# What another CA issued.


@pytest.mark.parametrize(
    ("serial", "accepted"), [(-1, False), (0, False), (1, True), (2**159 - 1, True), (2**159, False), (2**200, False)]
)
def test_serial_number_that_is_not_positive_or_too_long_is_refused(
    signer: Certificate, serial: int, accepted: bool
) -> None:
    assert accepts(profile.require_issued, signer._replace(serial=serial)) == accepted


def test_issued_certificate_without_authority_key_identifier_is_refused(signer: Certificate) -> None:
    assert not accepts(profile.require_issued, without(signer, x509.AuthorityKeyIdentifier))
    name = [x509.DirectoryName(signer.issuer)]
    for identifier, accepted in (
        (x509.AuthorityKeyIdentifier(None, name, 1), False),
        (x509.AuthorityKeyIdentifier(b"key", name, 1), True),
        (x509.AuthorityKeyIdentifier(b"key", None, None), True),
    ):
        assert accepts(profile.require_issued, with_extension(signer, identifier, False)) == accepted


# A CA.


def test_authority_without_subject_or_key_identifier_is_refused(authority: Certificate) -> None:
    assert accepts(profile.require_authority, authority)
    assert not accepts(profile.require_authority, authority._replace(subject=x509.Name([])))
    assert not accepts(profile.require_authority, without(authority, x509.SubjectKeyIdentifier))


def test_authority_without_critical_basic_constraints_is_refused(authority: Certificate) -> None:
    assert not accepts(profile.require_authority, without(authority, x509.BasicConstraints))
    for ca, critical in ((True, True), (True, False), (False, True)):
        changed = with_extension(authority, x509.BasicConstraints(ca, None), critical)
        assert accepts(profile.require_authority, changed) == (ca and critical)


def test_policy_constraints_that_are_not_critical_are_refused(authority: Certificate) -> None:
    for critical in (True, False):
        changed = with_extension(authority, x509.PolicyConstraints(3, None), critical)
        assert accepts(profile.require_authority, changed) == critical


@pytest.mark.parametrize(
    ("base", "accepted"),
    [("example.com", True), ("", True), ("com", True), (".example.com", False), ("under_score.example.com", False),
     ("-x.example.com", False), ("192.0.2.1", False)],
)  # fmt: skip
@pytest.mark.parametrize("excluded", [True, False])
def test_name_constraints_that_are_no_domain_are_refused(
    authority: Certificate, base: str, accepted: bool, excluded: bool
) -> None:
    subtrees = [x509.IPAddress(NETWORK), x509.DNSName(base)]
    value = x509.NameConstraints(None, subtrees) if excluded else x509.NameConstraints(subtrees, None)
    assert accepts(profile.require_authority, with_extension(authority, value, True)) == accepted
    assert not accepts(profile.require_authority, with_extension(authority, value, False))


class NoConstraints(x509.NameConstraints):
    """What some versions of cryptography parse, and none builds."""

    def __init__(self) -> None:
        super().__init__([x509.DNSName("example.com")], None)

    permitted_subtrees = excluded_subtrees = property(lambda self: None)


def test_empty_name_constraints_are_refused(authority: Certificate) -> None:
    assert not accepts(profile.require_authority, with_extension(authority, NoConstraints(), True))


# A root.


def test_root_with_an_extended_key_usage_is_refused(root: Certificate) -> None:
    assert accepts(profile.require_root, root)
    assert not accepts(profile.require_root, with_extension(root, x509.ExtendedKeyUsage([SERVER]), False))


def test_cross_signed_root_without_authority_key_identifier_is_refused(pki: Pki) -> None:
    assert accepts(profile.require_root, without(read(pki.root.der), x509.AuthorityKeyIdentifier))
    issued = read(pki.cross_signed_root.der)
    assert accepts(profile.require_root, issued)
    assert accepts(profile.require_root, with_extension(issued, x509.ExtendedKeyUsage([SERVER]), False))
    assert not accepts(profile.require_root, without(issued, x509.AuthorityKeyIdentifier))


def test_root_that_signed_itself_with_sha1_is_accepted(tmp_path: Path) -> None:
    old = without(self_signed_with_sha1(tmp_path), x509.AuthorityKeyIdentifier)
    assert accepts(profile.require_root, old)


def test_root_whose_authority_key_identifier_names_another_key_is_refused(root: Certificate) -> None:
    own = root.extension(x509.SubjectKeyIdentifier)
    assert own is not None
    key, name = own.value.digest, [x509.DirectoryName(root.subject)]
    for identifier, accepted in (
        (x509.AuthorityKeyIdentifier(key, None, None), True),
        (x509.AuthorityKeyIdentifier(b"other", None, None), False),
        (x509.AuthorityKeyIdentifier(None, name, 1), False),
        (x509.AuthorityKeyIdentifier(key, name, 1), False),
    ):
        assert accepts(profile.require_root, with_extension(root, identifier, False)) == accepted
    assert not accepts(profile.require_root, without(root, x509.SubjectKeyIdentifier))


@pytest.mark.filterwarnings("ignore:Parsed a")  # some roots have the serial number 0
@pytest.mark.skipif(not any(map(os.path.exists, roots.SYSTEM_BUNDLES)), reason="needs ca-certificates")
def test_roots_of_the_distribution_are_accepted_except_for_a_few_old_ones() -> None:
    bundle = next(filter(os.path.exists, roots.SYSTEM_BUNDLES))
    with open(bundle, "rb") as file:
        ders = roots.pem_certificates(file.read())

    def accepted(der: bytes) -> bool:
        one = certificate.read(der)
        rules = (profile.require_sound, profile.require_authority, profile.require_root)
        return all(accepts(rule, one) for rule in rules)

    amazon = [der for der in ders if roots.is_amazon(der)]
    assert len(amazon) >= 4
    assert all(map(accepted, amazon))
    assert sum(map(accepted, ders)) >= 0.9 * len(ders)


# The signer.


@pytest.mark.parametrize(
    ("usages", "critical", "accepted"),
    [
        ([SERVER, CLIENT], False, True),
        ([SERVER], False, True),
        ([SERVER], True, False),
        ([CLIENT], False, False),
        ([ExtendedKeyUsageOID.EMAIL_PROTECTION], False, False),
        ([ExtendedKeyUsageOID.CODE_SIGNING], False, False),
        ([ExtendedKeyUsageOID.TIME_STAMPING], False, False),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], False, False),
        ([SERVER, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], False, False),
    ],
)
def test_signer_that_is_not_for_tls_servers_is_refused(
    signer: Certificate, usages: Sequence[x509.ObjectIdentifier], critical: bool, accepted: bool
) -> None:
    changed = with_extension(signer, x509.ExtendedKeyUsage(usages), critical)
    assert accepts(profile.require_server, changed) == accepted
    assert not accepts(profile.require_server, without(signer, x509.ExtendedKeyUsage))


@pytest.mark.parametrize("digital_signature", [True, False])
@pytest.mark.parametrize("key_cert_sign", [True, False])
def test_signer_whose_key_usage_is_not_digital_signature_is_refused(
    signer: Certificate, digital_signature: bool, key_cert_sign: bool
) -> None:
    usage = key_usage(digital_signature=digital_signature, key_cert_sign=key_cert_sign)
    accepted = digital_signature and not key_cert_sign
    assert accepts(profile.require_server, with_extension(signer, usage, True)) == accepted
    assert accepts(profile.require_server, without(signer, x509.KeyUsage))


def test_signer_that_is_a_ca_is_refused(signer: Certificate) -> None:
    assert not accepts(profile.require_server, with_extension(signer, x509.BasicConstraints(True, None), True))
    assert accepts(profile.require_server, with_extension(signer, x509.BasicConstraints(False, None), False))
    assert accepts(profile.require_server, without(signer, x509.BasicConstraints))
    names = x509.NameConstraints([x509.DNSName("amazonaws.com")], None)
    assert not accepts(profile.require_server, with_extension(signer, names, True))


def named(signer: Certificate, names: Optional[Sequence[x509.GeneralName]], common: Sequence[str]) -> Certificate:
    """`signer` with other names; critical, as it must be, only where it has no subject."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common])
    changed = signer._replace(subject=subject)
    if names is None:
        return without(changed, x509.SubjectAlternativeName)
    return with_extension(changed, x509.SubjectAlternativeName(names), critical=not common)


NAMES: Dict[str, Tuple[Optional[Sequence[x509.GeneralName]], Sequence[str], bool]] = {
    "as it is": ([x509.DNSName(NAME)], [NAME], True),
    "no subject": ([x509.DNSName(NAME)], [], True),
    "one of several": ([x509.DNSName("a.example.net"), x509.DNSName(NAME)], ["a.example.net"], True),
    "a wildcard beside it": ([x509.DNSName("*.example.net"), x509.DNSName(NAME)], [NAME], True),
    "CN only": (None, [NAME], False),
    "another name": ([x509.DNSName("x.example.net")], [], False),
    "a wildcard": ([x509.DNSName("*.us-west-2.amazonaws.com")], [], False),
    "another case": ([x509.DNSName(NAME.upper())], [], False),
    "a dot more": ([x509.DNSName(f"{NAME}.")], [], False),
    "longer": ([x509.DNSName(f"{NAME}.example.net")], [], False),
    "shorter": ([x509.DNSName(NAME[1:])], [], False),
    "no dNSName": ([x509.RFC822Name(f"x@{NAME}")], [], False),
    "a URI": ([x509.UniformResourceIdentifier(f"https://{NAME}")], [], False),
    "another CN": ([x509.DNSName(NAME)], ["x.example.net"], False),
    "two CNs": ([x509.DNSName(NAME)], [NAME, "x.example.net"], False),
    "a name that is no host's": ([x509.DNSName(NAME), x509.DNSName("under_score.example.net")], [NAME], False),
    "an address": ([x509.DNSName(NAME), x509.DNSName("192.0.2.1")], [NAME], False),
    "a leading dot": ([x509.DNSName(NAME), x509.DNSName(".example.net")], [NAME], False),
    "a wildcard within": ([x509.DNSName(NAME), x509.DNSName("a.*.example.net")], [NAME], False),
    "a wildcard below no host": ([x509.DNSName(NAME), x509.DNSName("*.-a.example.net")], [NAME], False),
    "a leading hyphen": ([x509.DNSName(NAME), x509.DNSName("-a.example.net")], [NAME], False),
    "a trailing hyphen": ([x509.DNSName(NAME), x509.DNSName("a-.example.net")], [NAME], False),
    "a long label": ([x509.DNSName(NAME), x509.DNSName(f"{'a' * 64}.example.net")], [NAME], False),
    "the longest label": ([x509.DNSName(NAME), x509.DNSName(f"{'a' * 63}.example.net")], [NAME], True),
}


@pytest.mark.parametrize("case", NAMES)
def test_signer_name_must_be_a_dns_name_byte_for_byte(signer: Certificate, case: str) -> None:
    names, common, accepted = NAMES[case]
    assert accepts(lambda one: profile.require_name(one, NAME), named(signer, names, common)) == accepted


@pytest.mark.parametrize("common", [[NAME], []])
@pytest.mark.parametrize("critical", [True, False])
def test_alternative_names_are_critical_only_without_a_subject(
    signer: Certificate, common: Sequence[str], critical: bool
) -> None:
    changed = named(signer, None, common)
    changed = with_extension(changed, x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical)
    assert accepts(lambda one: profile.require_name(one, NAME), changed) == (critical == (not common))


# Each rule is one that a whole verification asks for, with public and with private roots.


UNFIT: Dict[str, Dict[str, Any]] = {
    "the issue's example": {"usages": [CLIENT], "dns_names": ["x.example.net"]},
    "for mail": {"usages": [ExtendedKeyUsageOID.EMAIL_PROTECTION]},
    "no EKU": {"usages": []},
    "no SAN": {"dns_names": []},
    "another SAN": {"dns_names": ["x.example.net"]},
    "wildcard": {"dns_names": ["*.us-west-2.amazonaws.com"]},
    "no signatures": {"extensions": [(key_usage(digital_signature=False, key_cert_sign=False), True)]},
    "a CA": {"ca": True},
    "no authorityKeyIdentifier": {"without": [x509.AuthorityKeyIdentifier]},
}


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("case", UNFIT)
def test_certificate_that_breaks_a_rule_of_the_signer_is_refused(pki: Pki, case: str, private: bool) -> None:
    signer = issue_server(NAME, pki.signer.key, pki.intermediates[0], **UNFIT[case])
    refusal = refused(pem(pki.chain(signer)), [], trusting(pki.root, private=private), require_ocsp=False)
    assert refusal.reason in (Reason.SIGNER_UNTRUSTED, Reason.SIGNER_NAME_MISMATCH)
    assert "the signer's certificate: " in refusal.detail


BELOW: Dict[str, Dict[str, Any]] = {
    "sound": {},
    "identified": {"without": [x509.AuthorityKeyIdentifier]},
    "authority": {"without": [x509.SubjectKeyIdentifier]},
}


@pytest.mark.parametrize("case", BELOW)
def test_intermediate_that_breaks_a_rule_is_not_part_of_a_path(pki: Pki, case: str) -> None:
    key = ec.generate_private_key(ec.SECP256K1()) if case == "sound" else ec_key()
    between = issue("CA", key, pki.root, ca=True, **BELOW[case])
    signer = issue_server(NAME, pki.signer.key, between)
    refusal = refused(pem([signer, between]), [], trusting(pki.root), require_ocsp=False)
    assert refusal.reason is Reason.SIGNER_UNTRUSTED
    assert "CN=CA: " in refusal.detail


def test_root_that_breaks_a_rule_ends_no_path(pki: Pki) -> None:
    root = issue("Server Root", ec_key(), ca=True, usages=[SERVER])
    signer = issue_server(NAME, pki.signer.key, root)
    refusal = refused(pem([signer]), [], trusting(root), require_ocsp=False)
    assert "CN=Server Root: it is a root with an extendedKeyUsage" in refusal.detail


def test_chain_of_the_sandbox_breaks_no_rule(pki: Pki) -> None:
    for private in (True, False):
        verify(pem(pki.chain()), staples_of(pki), trusting(pki.root, private=private))
