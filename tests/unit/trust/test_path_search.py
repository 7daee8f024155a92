# SPDX-License-Identifier: Apache-2.0
"""Which paths are put to OpenSSL, and in which order, with a stand-in for it that notes them."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence

import pytest
from cryptography import x509

from eic_sandbox.pki.authority import Identity, ec_key, issue, issue_server, rsa_key
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import path as chain
from eic_sshd.trust.certificate import Certificate, read
from eic_sshd.trust.openssl import OpenSsl
from eic_sshd.trust.roots import Roots

NAME = "managed-ssh-signer.us-west-2.amazonaws.com"
Path = List[bytes]


class Noting(OpenSsl):
    """Records each path that it gets, as the DER of its certificates; `decide` raises the refusal."""

    asked: List[Path]
    decide: Callable[[Path], Optional[NotGranted]]

    def require_server(self, path: Sequence[Certificate], name: str) -> None:
        assert name == NAME
        self.asked.append([one.der for one in path])
        refusal = self.decide(self.asked[-1])
        if refusal is not None:
            raise refusal


def noting(decide: Callable[[Path], Optional[NotGranted]]) -> Noting:
    openssl = Noting(True, 0, Deadline(1.0, lambda: 0.0))
    openssl.asked, openssl.decide = [], decide
    return openssl


def untrusted(path: Path) -> NotGranted:
    return NotGranted(Reason.SIGNER_UNTRUSTED, f"{len(path)} certificates")


def found(presented: Sequence[Identity], roots: Sequence[Identity], openssl: OpenSsl) -> Path:
    certificates = [read(one.der) for one in presented]
    trusted = Roots([one.der for one in roots], private=True)
    return [one.der for one in chain.path_to_root(certificates, trusted, NAME, openssl)]


class Twins:
    """A signer of a CA that has `count` certificates of one name and key, all of one issuer, which `root` issued."""

    def __init__(self, count: int) -> None:
        self.root = issue("Root", ec_key(), ca=True)
        self.top = issue("Top", ec_key(), self.root, ca=True)
        key = ec_key()
        self.twins = [issue("Twin", key, self.top, ca=True) for _ in range(count)]
        self.signer = issue_server(NAME, rsa_key(), self.twins[0])

    def path(self, at: int) -> Path:
        return [one.der for one in (self.signer, self.twins[at], self.top, self.root)]

    def presented(self) -> List[Identity]:
        return [self.signer, *self.twins, self.top]


def test_four_paths_to_one_certificate_are_followed() -> None:
    made = Twins(4)
    openssl = noting(lambda path: None if path == made.path(3) else untrusted(path))
    assert found(made.presented(), [made.root], openssl) == made.path(3)
    assert openssl.asked == [made.path(at) for at in range(4)]


def test_fifth_path_to_one_certificate_is_not_followed() -> None:
    made = Twins(5)
    openssl = noting(untrusted)
    with pytest.raises(NotGranted) as caught:
        found(made.presented(), [made.root], openssl)
    assert openssl.asked == [made.path(at) for at in range(4)]
    assert (caught.value.reason, caught.value.detail) == (Reason.SIGNER_UNTRUSTED, "4 certificates")


def test_failure_to_run_openssl_ends_the_search() -> None:
    made = Twins(2)
    openssl = noting(lambda path: None if path == made.path(1) else NotGranted(Reason.DEADLINE_EXCEEDED, "late"))
    with pytest.raises(NotGranted) as caught:
        found(made.presented(), [made.root], openssl)
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert openssl.asked == [made.path(0)]


def test_authorities_that_signed_each_other_do_not_loop() -> None:
    root = issue("Root", ec_key(), ca=True)
    first, second = ec_key(), ec_key()
    by_root = issue("First", first, root, ca=True)
    by_first = issue("Second", second, by_root, ca=True)
    by_second = issue("First", first, by_first, ca=True)
    signer = issue_server(NAME, rsa_key(), by_root)
    openssl = noting(untrusted)
    with pytest.raises(NotGranted):
        found([signer, by_second, by_first, by_root], [root], openssl)
    straight = [signer.der, by_root.der, root.der]
    assert openssl.asked == [straight, [signer.der, by_second.der, by_first.der, by_root.der, root.der]]


def test_root_in_the_chain_is_not_an_intermediate() -> None:
    root = issue("Root", ec_key(), ca=True)
    signer = issue_server(NAME, rsa_key(), root)
    openssl = noting(untrusted)
    with pytest.raises(NotGranted):
        found([signer, root], [root], openssl)
    assert openssl.asked == [[signer.der, root.der]]


def test_intermediate_must_meet_the_rules_of_issued_certificates_only() -> None:
    root = issue("Root", ec_key(), ca=True)
    twin = issue("Root", root.key, ca=True, without=[x509.AuthorityKeyIdentifier])  # which a root need not have
    direct = issue_server(NAME, rsa_key(), root)
    openssl = noting(untrusted)
    with pytest.raises(NotGranted):
        found([direct, twin], [root], openssl)
    assert openssl.asked == [[direct.der, root.der]]
