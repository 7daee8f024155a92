# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import List, Tuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from eic_sandbox.pki.authority import Identity, Pki, ec_key, issue, issue_server, rsa_key, utcnow
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import openssl, signatures
from eic_sshd.trust import path as chain
from eic_sshd.trust.certificate import Certificate
from eic_sshd.trust.openssl import OpenSsl
from eic_sshd.trust.roots import Roots

from .signing import DOMAIN, NAME, REGION, command, parsed, pem, refusal, refused, staples_of, trusting, verify


def good(*pairs: Identity) -> List[bytes]:
    """A good staple for each but the last, by the next."""
    return [staple(StapleKind.GOOD, subject, issuer) for subject, issuer in zip(pairs, pairs[1:])]


# What chains to a root.


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("root", ["root", "old_root", "oldest_root"])
def test_path_over_cross_signed_roots_leads_to_each_trusted_root(pki: Pki, root: str, private: bool) -> None:
    signer = verify(pem(pki.chain()), staples_of(pki), trusting(getattr(pki, root), private=private))
    assert signer.key.public_numbers() == pki.signer.key.public_key().public_numbers()


def test_shortest_path_is_chosen(pki: Pki) -> None:
    roots = Roots([one.der for one in (pki.oldest_root, pki.old_root, pki.root)], private=True)
    path = chain.path_to_root(parsed(*pki.chain()), roots, NAME, command())
    assert [one.der for one in path] == [one.der for one in (pki.signer, *pki.intermediates, pki.root)]


def test_chain_with_both_certificates_of_a_root_is_accepted(pki: Pki) -> None:
    for order in ([pki.cross_signed_root, pki.root], [pki.root, pki.cross_signed_root]):
        presented = pem([pki.signer, *pki.intermediates, *order])
        verify(presented, staples_of(pki), trusting(pki.old_root))
        verify(presented, staples_of(pki), trusting(pki.root))


def test_chain_may_have_any_order_and_other_certificates_behind_the_signer(pki: Pki) -> None:
    stranger = issue("Stranger", ec_key(), ca=True)
    presented = pem([pki.signer, stranger, *reversed(pki.chain()[1:])])
    verify(presented, staples_of(pki), trusting(pki.root))
    verify(presented, staples_of(pki), trusting(pki.oldest_root))


def test_root_that_signed_is_chosen_among_two_of_one_name(pki: Pki) -> None:
    namesake = issue("Sandbox Root CA 1", rsa_key(), ca=True)
    for trusted in ([namesake, pki.root], [pki.root, namesake]):
        verify(pem(pki.chain()), staples_of(pki), trusting(*trusted))


def test_text_around_the_certificates_is_skipped(pki: Pki) -> None:
    presented = b"subject=x\n" + b"\nbetween\n".join(one.pem.replace(b"\n", b"\r\n") for one in pki.chain())
    verify(presented, staples_of(pki), trusting(pki.root))


def test_site_may_name_an_intermediate_as_its_root(pki: Pki) -> None:
    verify(pem(pki.chain()), staples_of(pki), trusting(pki.intermediates[0]))
    public = refused(pem(pki.chain()), staples_of(pki), trusting(pki.intermediates[0], private=False))
    assert public.reason is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize("private", [True, False])
def test_self_issued_certificates_are_part_of_a_path(pki: Pki, private: bool) -> None:
    # A CA that changed its key: the new key's certificate is in the CA's own name, by the old key.
    old = issue("Rolling CA", ec_key(), pki.root, ca=True)
    new = issue("Rolling CA", ec_key(), old, ca=True)
    signer = issue_server(NAME, pki.signer.key, new)
    presented = pem([signer, new, old])
    verify(presented, good(signer, new, old, pki.root), trusting(pki.root, private=private))


def test_path_that_openssl_does_not_try_is_found(pki: Pki) -> None:
    # Two certificates of one CA: what the first one's issuer may not issue for, the second one's may.
    names = x509.NameConstraints([x509.DNSName("example.net")], None)
    narrow = issue("Narrow CA", ec_key(), pki.root, ca=True, extensions=[(names, True)])
    key = ec_key()
    twins = [issue("Twin CA", key, narrow, ca=True), issue("Twin CA", key, pki.intermediates[0], ca=True)]
    signer = issue_server(NAME, pki.signer.key, twins[0])
    staples = good(signer, twins[1], pki.intermediates[0], pki.root)
    for order in (twins, twins[::-1]):
        presented = pem([signer, *order, narrow, *pki.intermediates])
        verify(presented, staples, trusting(pki.root))
    assert refusal(pem([signer, twins[0], narrow]), staples, trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_valid_one_of_two_certificates_of_a_ca_is_chosen(pki: Pki) -> None:
    real = pki.intermediates[0]
    expired = issue("Sandbox CA 1", real.key, pki.root, ca=True, not_before=utcnow() - timedelta(days=31))
    for order in ([real, expired], [expired, real]):
        verify(pem([pki.signer, *order]), staples_of(pki), trusting(pki.root))
    staples = [*staples_of(pki), *good(pki.signer, expired, pki.root)]
    assert refusal(pem([pki.signer, expired]), staples, trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize(("expired", "accepted"), [(3, True), (4, False)])
def test_openssl_verifies_at_most_four_paths(pki: Pki, expired: int, accepted: bool) -> None:
    real = pki.intermediates[0]
    begin = utcnow() - timedelta(days=31)
    twins = [issue("Sandbox CA 1", real.key, pki.root, ca=True, not_before=begin) for _ in range(expired)]
    presented = pem([pki.signer, *twins, real])
    if accepted:
        verify(presented, staples_of(pki), trusting(pki.root))
    else:
        assert refusal(presented, staples_of(pki), trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_authorities_that_certify_each_other_are_no_endless_path(pki: Pki) -> None:
    a_key, b_key = ec_key(), ec_key()
    a = issue("A", a_key, pki.root, ca=True)
    b = issue("B", b_key, a, ca=True)
    a_by_b = issue("A", a_key, b, ca=True)
    b_by_itself = issue("B", b_key, b, ca=True)
    signer = issue_server(NAME, pki.signer.key, b)
    staples = good(signer, b, a, pki.root)
    for order in ([a, b, a_by_b, b_by_itself], [b_by_itself, a_by_b, b, a]):
        verify(pem([signer, *order]), staples, trusting(pki.root))


@pytest.mark.parametrize(("expired", "accepted"), [(3, True), (4, False)])
def test_at_most_four_ways_to_one_authority_are_followed(pki: Pki, expired: int, accepted: bool) -> None:
    above, key, begin = pki.intermediates[0], ec_key(), utcnow() - timedelta(days=31)
    twins = [issue("Twin CA", key, above, ca=True, not_before=begin) for _ in range(expired)]
    real = issue("Twin CA", key, above, ca=True)
    signer = issue_server(NAME, pki.signer.key, real)
    presented, staples = pem([signer, *twins, real, above]), good(signer, real, above, pki.root)
    if accepted:
        verify(presented, staples, trusting(pki.root))
    else:
        assert refusal(presented, staples, trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def line_of_cas(root: Identity, many: int) -> List[Identity]:
    """CAs below `root`, the lowest first."""
    found: List[Identity] = []
    for number in range(many):
        found.insert(0, issue(f"CA {number}", ec_key(), found[0] if found else root, ca=True))
    return found


@pytest.mark.parametrize(("many", "accepted"), [(6, True), (7, False)])
def test_path_has_at_most_six_intermediates(pki: Pki, many: int, accepted: bool) -> None:
    line = line_of_cas(pki.root, many)
    signer = issue_server(NAME, pki.signer.key, line[0])
    presented = pem([signer, *line])
    if accepted:
        verify(presented, good(signer, *line, pki.root), trusting(pki.root))
    else:
        assert refusal(presented, good(signer, *line, pki.root), trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_self_issued_certificates_do_not_count_against_the_longest_path(pki: Pki) -> None:
    old = issue("Rolling CA", ec_key(), pki.root, ca=True)
    new = issue("Rolling CA", ec_key(), old, ca=True)
    signer = issue_server(NAME, pki.signer.key, new)
    roots = Roots([pki.root.der], private=True)
    assert len(chain.path_to_root(parsed(signer, new, old), roots, NAME, command(), max_depth=1)) == 4
    with pytest.raises(NotGranted):
        chain.path_to_root(parsed(signer, new, old), roots, NAME, command(), max_depth=0)


# What does not.


def test_chain_below_another_root_is_refused(pki: Pki) -> None:
    other = Pki(REGION, DOMAIN)
    assert refusal(pem(other.chain()), staples_of(other), trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_chain_with_its_own_root_is_refused(pki: Pki) -> None:
    impostor = issue("Sandbox Root CA 1", rsa_key(), ca=True)
    signer = issue_server(NAME, pki.signer.key, impostor)
    assert refusal(pem([signer, impostor]), [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_signer_issued_by_a_certificate_that_is_not_a_ca_is_refused(pki: Pki) -> None:
    server = issue_server("server.example.com", rsa_key(), pki.intermediates[0])
    signer = issue_server(NAME, pki.signer.key, server)
    presented = pem([signer, server, *pki.intermediates])
    assert refusal(presented, [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_chain_without_an_intermediate_is_refused(pki: Pki) -> None:
    presented = pem([pki.signer, pki.cross_signed_root])
    assert refusal(presented, staples_of(pki), trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize("begin", [timedelta(days=-31), timedelta(days=1)])
def test_signer_outside_its_validity_is_refused(pki: Pki, begin: timedelta) -> None:
    other = issue_server(NAME, pki.signer.key, pki.intermediates[0], not_before=utcnow() + begin)
    assert refusal(pem(pki.chain(other)), [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


def test_validity_is_checked_at_the_time_passed_in(pki: Pki) -> None:
    presented = pem(pki.chain())
    assert refusal(presented, [], trusting(pki.root), require_ocsp=False, ahead=40 * 86400) is Reason.SIGNER_UNTRUSTED


def test_short_key_in_the_chain_is_refused_and_named(pki: Pki) -> None:
    weak = issue("Weak CA", rsa_key(1024), pki.root, ca=True)
    signer = issue_server(NAME, pki.signer.key, weak)
    refusal = refused(pem([signer, weak]), [], trusting(pki.root))
    assert refusal.reason is Reason.SIGNER_UNTRUSTED
    assert "CN=Weak CA: its RSA key has 1024 bits" in refusal.detail


@pytest.mark.filterwarnings("ignore:SHA1")  # or it would be skipped for that warning
@pytest.mark.parametrize("where", ["signer", "intermediate", "root"])
def test_certificate_signed_with_sha1_is_refused(pki: Pki, where: str) -> None:
    sha1 = hashes.SHA1()  # noqa: S303
    try:
        root = issue("SHA-1 Root", ec_key(), ca=True, algorithm=sha1 if where == "root" else None)
        between = issue("CA", ec_key(), root, ca=True, algorithm=sha1 if where == "intermediate" else None)
        signer = issue_server(NAME, pki.signer.key, between, algorithm=sha1 if where == "signer" else None)
    except Exception as error:  # cryptography 41 and later sign no certificate with SHA-1
        pytest.skip(f"no such certificate can be made: {error}")
    presented, trusted = pem([signer, between]), trusting(root)
    if where == "root":  # a root's own signature is not relied on
        verify(presented, good(signer, between, root), trusted)
    else:
        assert refusal(presented, good(signer, between, root), trusted) is Reason.SIGNER_UNTRUSTED


def test_authority_with_an_ed25519_key_may_issue(pki: Pki) -> None:
    between = issue("Ed25519 CA", ed25519.Ed25519PrivateKey.generate(), pki.root, ca=True)
    signer = issue_server(NAME, pki.signer.key, between)
    verify(pem([signer, between]), [], trusting(pki.root), require_ocsp=False)


def test_intermediate_for_mail_only_is_refused(pki: Pki) -> None:
    usages = [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    between = issue("Mail CA", ec_key(), pki.root, ca=True, usages=usages)
    signer = issue_server(NAME, pki.signer.key, between)
    staples = good(signer, between, pki.root)
    for private in (True, False):
        assert refusal(pem([signer, between]), staples, trusting(pki.root, private=private)) is Reason.SIGNER_UNTRUSTED


def test_intermediate_for_tls_servers_is_accepted(pki: Pki) -> None:
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    between = issue("Server CA", ec_key(), pki.root, ca=True, usages=usages)
    signer = issue_server(NAME, pki.signer.key, between)
    verify(pem([signer, between]), good(signer, between, pki.root), trusting(pki.root, private=False))


@pytest.mark.parametrize(("permitted", "accepted"), [("example.net", False), ("amazonaws.com", True)])
@pytest.mark.parametrize("private", [True, False])
def test_name_constraints_of_an_intermediate_are_enforced(
    pki: Pki, permitted: str, accepted: bool, private: bool
) -> None:
    names = x509.NameConstraints([x509.DNSName(permitted)], None)
    between = issue("Narrow CA", ec_key(), pki.root, ca=True, extensions=[(names, True)])
    signer = issue_server(NAME, pki.signer.key, between)
    staples, trusted = good(signer, between, pki.root), trusting(pki.root, private=private)
    if accepted:
        verify(pem([signer, between]), staples, trusted)
    else:
        assert refusal(pem([signer, between]), staples, trusted) is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize("policies", [True, False])
@pytest.mark.parametrize("private", [True, False])
def test_required_certificate_policy_must_be_present(pki: Pki, policies: bool, private: bool) -> None:
    required: List[Tuple[x509.ExtensionType, bool]] = [(x509.PolicyConstraints(0, None), True)]
    policy: List[Tuple[x509.ExtensionType, bool]] = [
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]), False)
    ]
    between = issue("Policy CA", ec_key(), pki.root, ca=True, extensions=[*required, *policy])
    signer = issue_server(NAME, pki.signer.key, between, extensions=policy if policies else [])
    staples, trusted = good(signer, between, pki.root), trusting(pki.root, private=private)
    if policies:
        verify(pem([signer, between]), staples, trusted)
    else:
        assert refusal(pem([signer, between]), staples, trusted) is Reason.SIGNER_UNTRUSTED


@pytest.mark.filterwarnings("ignore:SHA1")  # or it would be skipped for that warning
@pytest.mark.parametrize("where", ["signer", "intermediate", "root"])
def test_unknown_critical_extension_is_refused(pki: Pki, where: str) -> None:
    unknown = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)]
    root = issue("Odd Root", ec_key(), ca=True, extensions=unknown if where == "root" else [])
    between = issue("CA", ec_key(), root, ca=True, extensions=unknown if where == "intermediate" else [])
    signer = issue_server(NAME, pki.signer.key, between, extensions=unknown if where == "signer" else [])
    assert refusal(pem([signer, between]), good(signer, between, root), trusting(root)) is Reason.SIGNER_UNTRUSTED


def test_strict_profile_applies_to_public_roots_only(pki: Pki) -> None:
    # RFC 5280 section 4.2.1.3: a CA's certificate must have keyUsage. Only OpenSSL's strict mode asks for it.
    between = issue("CA", ec_key(), pki.root, ca=True, without=[x509.KeyUsage])
    signer = issue_server(NAME, pki.signer.key, between)
    staples = good(signer, between, pki.root)
    verify(pem([signer, between]), staples, trusting(pki.root))
    assert refusal(pem([signer, between]), staples, trusting(pki.root, private=False)) is Reason.SIGNER_UNTRUSTED


def test_signer_that_is_a_trusted_root_itself_is_refused(pki: Pki) -> None:
    assert refusal(pem(pki.chain()), staples_of(pki), trusting(pki.signer)) is Reason.SIGNER_UNTRUSTED
    alone = issue_server(NAME, pki.signer.key)
    assert refusal(pem([alone]), [], trusting(alone), require_ocsp=False) is Reason.SIGNER_UNTRUSTED


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
def test_answer_without_a_readable_signer_is_refused(pki: Pki, presented: bytes) -> None:
    assert refusal(presented, [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize(("many", "accepted"), [(8, True), (9, False)])
def test_chain_of_more_than_ten_certificates_is_refused(pki: Pki, many: int, accepted: bool) -> None:
    key = ec_key()
    strangers = [issue(f"CA {number}", key, ca=True) for number in range(many)]
    presented = pem([pki.signer, *pki.intermediates, *strangers])
    if accepted:
        verify(presented, staples_of(pki), trusting(pki.root))
    else:
        assert "more than 10" in refused(presented, staples_of(pki), trusting(pki.root)).detail


# What an attacker could lay beside the path.


def test_certificate_of_the_issuers_name_with_another_key_is_not_the_issuer(pki: Pki) -> None:
    real = pki.intermediates[0]
    decoy = issue("Sandbox CA 1", ec_key(), Identity(pki.root.certificate, ec_key()), ca=True)
    staples = [staple(StapleKind.GOOD, pki.signer, decoy), *staples_of(pki)[1:]]
    for order in ([decoy, real], [real, decoy]):
        assert refusal(pem([pki.signer, *order]), staples, trusting(pki.root)) is Reason.STAPLE_MISSING
        verify(pem([pki.signer, *order]), staples_of(pki), trusting(pki.root))


def test_key_that_no_root_certified_verifies_no_signature(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ten certificates that all claim to have issued each other, beside a name that a root has too.
    asked: List[bytes] = []

    def issued(issuer: Certificate, certificate: Certificate) -> bool:
        asked.append(issuer.der)
        return signatures.issued(issuer, certificate)

    monkeypatch.setattr(chain, "issued", issued)
    name = "Sandbox Root CA 1"
    mesh = [issue(name, ec_key(), ca=True) for _ in range(9)]
    signer = issue_server(NAME, pki.signer.key, mesh[0])
    assert refusal(pem([signer, *mesh]), [], trusting(pki.root)) is Reason.SIGNER_UNTRUSTED
    assert set(asked) == {pki.root.der}
    assert len(asked) <= 10


def test_openssl_is_not_run_for_a_chain_that_leads_to_no_root(pki: Pki) -> None:
    other = Pki(REGION, DOMAIN)
    refusal = refused(pem(other.chain()), [], trusting(pki.root), program="/nonexistent/openssl")
    assert refusal.reason is Reason.SIGNER_UNTRUSTED


def test_root_in_the_chain_makes_no_second_path(pki: Pki, tmp_path: Path) -> None:
    signer = issue_server(NAME, pki.signer.key, pki.intermediates[0], not_before=utcnow() - timedelta(days=31))
    program = tmp_path / "openssl"
    program.write_text(f'#!/bin/sh\necho >>{tmp_path}/runs\nexec {openssl.PROGRAM} "$@"\n')
    program.chmod(0o755)
    presented = pem([signer, *pki.intermediates, pki.root])
    assert "expired" in refused(presented, [], trusting(pki.root), program=str(program)).detail
    assert (tmp_path / "runs").read_text() == "\n"


def test_openssl_that_cannot_run_ends_the_search(pki: Pki) -> None:
    twins = [issue("Twin CA", pki.intermediates[0].key, pki.root, ca=True) for _ in range(2)]
    signer = issue_server(NAME, pki.signer.key, twins[0])
    moments = iter([100.0])
    late_once = OpenSsl(True, int(time.time()), Deadline(50.0, lambda: next(moments, 0.0)))
    with pytest.raises(NotGranted) as caught:
        chain.path_to_root(parsed(signer, *twins), Roots([pki.root.der], True), NAME, late_once)
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED


def test_unreadable_certificate_behind_the_chain_or_among_the_roots_is_skipped(pki: Pki) -> None:
    junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    verify(pem(pki.chain()) + junk, staples_of(pki), trusting(pki.root))
    verify(pem(pki.chain()), staples_of(pki), lambda domain: Roots([b"junk", pki.root.der], private=True))


def test_subject_that_imitates_openssls_output_has_no_effect(pki: Pki) -> None:
    # A name that looks like lines of `openssl verify -show_chain` must not add to the certificates counted.
    fake = "x\ndepth=7: CN = y (untrusted)\nstdin: OK"
    between = issue(fake, rsa_key(), pki.root, ca=True)
    signer = issue_server(NAME, pki.signer.key, between)
    verify(pem([signer, between]), good(signer, between, pki.root), trusting(pki.root))
