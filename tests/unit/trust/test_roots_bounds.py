# SPDX-License-Identifier: Apache-2.0
"""Which files the roots are read from, how long they may be, and what of them counts."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from eic_sandbox.pki.authority import Pki
from eic_sshd.config.schema import TrustSettings
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import roots

from .signing import DOMAIN, pem

LIMIT = 4 * 1024 * 1024
OTHER = 12345
HERE = [path for path in roots.SYSTEM_BUNDLES if os.path.exists(path)]
needs_bundle = pytest.mark.skipif(not HERE, reason="needs ca-certificates")


def as_ca_file(path: str) -> roots.Roots:
    return roots.configured(TrustSettings(ca_file=path), [])(DOMAIN)


def as_bundle(*paths: str) -> roots.Roots:
    return roots.configured(TrustSettings(roots="system"), paths, os.geteuid())(DOMAIN)


# update-ca-certificates(8) of Debian; update-ca-trust(8) of Fedora.
@pytest.mark.parametrize(
    ("distributions", "path"),
    [
        ("Debian, Ubuntu", "/etc/ssl/certs/ca-certificates.crt"),
        ("RHEL, its rebuilds, Amazon Linux", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
    ],
)
def test_path_of_each_distributions_bundle_is_known(distributions: str, path: str) -> None:
    assert path in roots.SYSTEM_BUNDLES


# The fingerprints that https://www.amazontrust.com/repository/ gives.
@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        ("Amazon Root CA 1", "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e"),
        ("Amazon Root CA 2", "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4"),
        ("Amazon Root CA 3", "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4"),
        ("Amazon Root CA 4", "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092"),
        ("Starfield Services Root CA - G2", "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5"),
    ],
)
def test_fingerprint_of_each_amazon_root_is_known(name: str, fingerprint: str) -> None:
    assert fingerprint in roots.AMAZON_ROOTS


@needs_bundle
def test_amazon_roots_of_the_distribution_are_those_with_amazons_names() -> None:
    names = (*(b"Amazon Root CA %d" % number for number in (1, 2, 3, 4)), b"Starfield Services Root Certificate Auth")
    every = roots.configured(TrustSettings(roots="system"))("amazonaws.com").certificates
    named = [der for der in every if any(name in der for name in names)]
    assert named
    assert roots.configured(TrustSettings(roots="amazon"))("amazonaws.com").certificates == named


@pytest.mark.parametrize("read", [as_ca_file, as_bundle])
@pytest.mark.parametrize(("length", "accepted"), [(LIMIT, True), (LIMIT + 1, False)])
def test_roots_file_of_more_than_4_mib_is_refused(
    pki: Pki, tmp_path: Path, read: Callable[[str], roots.Roots], length: int, accepted: bool
) -> None:
    path = tmp_path / "roots.pem"
    path.write_bytes(pem([pki.root]).ljust(length, b"\n"))
    path.chmod(0o644)
    if accepted:
        assert read(str(path)).certificates == [pki.root.der]
    else:
        with pytest.raises(NotGranted, match=f"longer than {LIMIT} bytes"):
            read(str(path))


def encoded(text: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "text",
    [b"QUJDR", b"QUI", b"QUI=QUJD", b"QQ==QQ==", b"=QUJD", b"QUJD\n=\nQUJD", b"===="],
)
def test_pem_block_that_is_not_base64_is_skipped(pki: Pki, text: bytes) -> None:
    whole = pem([pki.root])
    assert roots.pem_certificates(encoded(text)) == []
    assert roots.pem_certificates(whole + encoded(text) + pem([pki.old_root])) == [pki.root.der, pki.old_root.der]


def test_pem_certificate_may_have_lines_of_any_length_and_counts_once() -> None:
    text = base64.b64encode(b"a certificate's bytes")
    forms: List[bytes] = [
        text,
        text[:3] + b"\n" + text[3:],
        b"\r\n  ".join(text[at : at + 7] for at in range(0, 28, 7)),
    ]
    assert roots.pem_certificates(b"# of a site\n".join(map(encoded, forms))) == [b"a certificate's bytes"]


def test_missing_bundle_is_skipped_for_the_next_one(pki: Pki, tmp_path: Path) -> None:
    path = tmp_path / "bundle.pem"
    path.write_bytes(pem([pki.root]))
    path.chmod(0o644)
    assert as_bundle(str(tmp_path / "missing.pem"), str(path)) == ([pki.root.der], False)


@pytest.mark.parametrize("fault", ["below a file", "a link to itself"])
def test_unreadable_bundle_is_refused_without_trying_the_next_one(pki: Pki, tmp_path: Path, fault: str) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(pem([pki.root]))
    other.chmod(0o644)
    path = other / "bundle.pem"
    if fault == "a link to itself":
        path = tmp_path / "bundle.pem"
        path.symlink_to(path)
    with pytest.raises(NotGranted, match="cannot be read") as caught:
        as_bundle(str(path), str(other))
    assert caught.value.reason is Reason.SIGNER_UNTRUSTED
    assert str(path) in caught.value.detail


@contextlib.contextmanager
def as_an_unprivileged_user() -> Iterator[None]:
    before = os.geteuid()
    if before == 0:
        os.seteuid(OTHER)
    try:
        yield
    finally:
        os.seteuid(before)


@needs_bundle
def test_ca_file_of_root_is_trusted_whatever_user_reads_it() -> None:
    with as_an_unprivileged_user():
        found = as_ca_file(HERE[0])
    assert found.private
    assert found.certificates
