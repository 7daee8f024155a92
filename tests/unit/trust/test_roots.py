# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from eic_sandbox.pki.authority import Identity, Pki
from eic_sshd.config.schema import TrustSettings
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import roots

from .signing import DOMAIN, pem


def bundle(path: Path, *identities: Identity) -> str:
    path.write_bytes(b"# comment\n" + pem(identities))
    os.chmod(path, 0o644)
    return str(path)


def test_auto_trusts_only_amazon_roots_for_amazonaws_com(pki: Pki, tmp_path: Path) -> None:
    path = bundle(tmp_path / "bundle.pem", pki.root)
    auto = roots.configured(TrustSettings(roots="auto"), [path], os.geteuid())
    assert auto("amazonaws.com.cn") == ([pki.root.der], False)
    with pytest.raises(NotGranted) as caught:
        auto("amazonaws.com")
    assert caught.value.reason is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize(("setting", "domain", "trusted"), [("amazon", "amazonaws.com.cn", 0), ("system", DOMAIN, 1)])
def test_roots_setting_takes_precedence_over_the_domain(
    pki: Pki, tmp_path: Path, setting: str, domain: str, trusted: int
) -> None:
    made = roots.configured(TrustSettings(roots=setting), [bundle(tmp_path / "bundle.pem", pki.root)], os.geteuid())
    if trusted:
        assert made(domain).certificates == [pki.root.der]
    else:
        with pytest.raises(NotGranted):
            made(domain)


@pytest.mark.skipif(not any(map(os.path.exists, roots.SYSTEM_BUNDLES)), reason="needs ca-certificates")
def test_bundle_of_the_distribution_has_the_amazon_roots() -> None:
    found = roots.configured(TrustSettings(roots="amazon"))("amazonaws.com").certificates
    assert not roots.configured(TrustSettings(roots="amazon"))("amazonaws.com").private
    digests = {hashlib.sha256(der).hexdigest() for der in found}
    assert len(digests) >= 4
    assert digests <= roots.AMAZON_ROOTS


def test_only_the_certificates_of_a_ca_file_are_trusted(pki: Pki, tmp_path: Path) -> None:
    path = bundle(tmp_path / "ca.pem", pki.root, pki.old_root)
    assert roots.configured(TrustSettings(ca_file=path), [])(DOMAIN) == (
        [pki.root.der, pki.old_root.der],
        True,
    )


@pytest.mark.parametrize("fault", ["missing", "empty", "writable"])
def test_unusable_ca_file_is_reported(pki: Pki, tmp_path: Path, fault: str) -> None:
    path = tmp_path / "ca.pem"
    if fault == "empty":
        path.write_text("")
    elif fault == "writable":
        bundle(path, pki.root)
        os.chmod(path, 0o666)
    with pytest.raises(NotGranted) as caught:
        roots.configured(TrustSettings(ca_file=str(path)), [])(DOMAIN)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert str(path) in caught.value.detail


def test_missing_system_bundle_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NotGranted) as caught:
        roots.configured(TrustSettings(roots="system"), [str(tmp_path / "none")])(DOMAIN)
    assert caught.value.reason is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize("fault", ["writable", "folder", "of another"])
def test_untrusted_system_bundle_is_refused_without_trying_the_next_one(pki: Pki, tmp_path: Path, fault: str) -> None:
    path, other = tmp_path / "bundle.pem", bundle(tmp_path / "other.pem", pki.root)
    owner = os.geteuid()
    if fault == "folder":
        path.mkdir()
    else:
        bundle(path, pki.root)
    if fault == "writable":
        path.chmod(0o666)
    elif fault == "of another":
        owner += 1
    with pytest.raises(NotGranted) as caught:
        roots.configured(TrustSettings(roots="system"), [str(path), other], owner)(DOMAIN)
    assert caught.value.reason is Reason.SIGNER_UNTRUSTED
    assert str(path) in caught.value.detail


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file to another user")
def test_ca_file_of_another_user_is_refused(pki: Pki, tmp_path: Path) -> None:
    path = bundle(tmp_path / "ca.pem", pki.root)
    os.chown(path, 1, 1)
    with pytest.raises(NotGranted) as caught:
        roots.configured(TrustSettings(ca_file=path), [])(DOMAIN)
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_first_existing_bundle_is_used(pki: Pki, tmp_path: Path) -> None:
    first, second = bundle(tmp_path / "first.pem", pki.root), bundle(tmp_path / "second.pem", pki.old_root)
    for paths, root in (([str(tmp_path / "none"), second], pki.old_root), ([first, second], pki.root)):
        made = roots.configured(TrustSettings(roots="system"), paths, os.geteuid())
        assert made(DOMAIN).certificates == [root.der]
