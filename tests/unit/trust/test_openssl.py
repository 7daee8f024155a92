# SPDX-License-Identifier: Apache-2.0
"""The run of `openssl verify`, without the rules that are checked before it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Dict, Sequence

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from eic_sandbox.pki.authority import Identity, Pki, ec_key, issue, issue_server, rsa_key
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import openssl
from eic_sshd.trust.openssl import OpenSsl

from .signing import NAME, command, parsed


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def refused(command: OpenSsl, *path: Identity) -> NotGranted:
    with pytest.raises(NotGranted) as caught:
        command.require_server(parsed(*path), NAME)
    return caught.value


def test_openssl_accepts_a_valid_path(pki: Pki) -> None:
    for private in (True, False):
        command(private).require_server(parsed(pki.signer, *pki.intermediates, pki.root), NAME)


def test_openssl_accepts_a_path_without_intermediates(pki: Pki) -> None:
    signer = issue_server(NAME, pki.signer.key, pki.root)
    command(private=False).require_server(parsed(signer, pki.root), NAME)


def test_path_other_than_the_given_one_is_refused(pki: Pki) -> None:
    unused = issue("Unused CA", ec_key(), pki.root, ca=True)
    refusal = refused(command(), pki.signer, *pki.intermediates, unused, pki.root)
    assert refusal.reason is Reason.SIGNER_UNTRUSTED
    assert "another path" in refusal.detail


def test_openssl_refuses_another_host_name(pki: Pki) -> None:
    other = issue_server("x.example.net", pki.signer.key, pki.root)
    assert "hostname mismatch" in refused(command(), other, pki.root).detail


@pytest.mark.parametrize(
    "usage",
    [
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.CODE_SIGNING,
        ExtendedKeyUsageOID.TIME_STAMPING,
    ],
)
def test_openssl_refuses_a_certificate_for_another_purpose(pki: Pki, usage: x509.ObjectIdentifier) -> None:
    signer = issue_server(NAME, pki.signer.key, pki.root, usages=[usage])
    assert "purpose" in refused(command(), signer, pki.root).detail


def test_openssl_refuses_keys_below_112_bits_of_strength(pki: Pki) -> None:
    weak = issue("Weak CA", rsa_key(1024), pki.root, ca=True)
    signer = issue_server(NAME, pki.signer.key, weak)
    assert "too weak" in refused(command(), signer, weak, pki.root).detail


def test_openssl_verifies_at_the_given_time(pki: Pki) -> None:
    path = [pki.signer, *pki.intermediates, pki.root]
    assert "expired" in refused(command(now=int(time.time()) + 40 * 86400), *path).detail
    assert "not yet valid" in refused(command(now=int(time.time()) - 86400), *path).detail


def test_openssl_checks_dates_strength_and_extensions_of_a_responders_path(pki: Pki) -> None:
    issuer = pki.intermediates[0]
    usages = [ExtendedKeyUsageOID.OCSP_SIGNING]
    rest = [issuer, pki.root]
    unknown = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)]
    good = issue("Responder", ec_key(), issuer, ca=False, usages=usages)
    command().require_responder(parsed(good, *rest))
    odd = issue("Responder", ec_key(), issuer, ca=False, usages=usages, extensions=unknown)
    weak = issue("Responder", rsa_key(1024), issuer, ca=False, usages=usages)
    for bad, at in ((odd, 0), (weak, 0), (good, int(time.time()) + 40 * 86400)):
        with pytest.raises(NotGranted):
            command(now=at).require_responder(parsed(bad, *rest))


# The machine's own roots and settings.


@pytest.fixture
def hashed(pki: Pki, tmp_path: Path) -> Identity:
    """Another root, in the folder `roots` as c_rehash(1) would make it, and the signer's certificate by it."""
    root = issue("Root of the machine", ec_key(), ca=True)
    folder = tmp_path / "roots"
    folder.mkdir()
    (folder / "root.pem").write_bytes(root.pem)
    subprocess.run([openssl.PROGRAM, "rehash", str(folder)], check=True, capture_output=True)
    return issue_server(NAME, pki.signer.key, root)


def trusts(command: Sequence[str], env: Dict[str, str], signer: Identity, tmp_path: Path) -> bool:
    (tmp_path / "signer.pem").write_bytes(signer.pem)
    done = subprocess.run([*command, str(tmp_path / "signer.pem")], env=env, capture_output=True)
    return done.returncode == 0


def test_roots_of_the_machine_are_not_trusted(pki: Pki, hashed: Identity, tmp_path: Path) -> None:
    # The command sets the environment itself, as a build of OpenSSL with other defaults would.
    folder = {"SSL_CERT_DIR": str(tmp_path / "roots")}
    file = {"SSL_CERT_FILE": str(tmp_path / "roots" / "root.pem")}
    for env in (folder, file):
        assert trusts([openssl.PROGRAM, "verify"], env, hashed, tmp_path)  # so it would be without our options
        ((name, value),) = env.items()
        wrapper = program(tmp_path / "openssl", f'{name}={value}; export {name}; exec {openssl.PROGRAM} "$@"')
        assert refused(command(program=wrapper), hashed, pki.root).reason is Reason.SIGNER_UNTRUSTED


@pytest.mark.parametrize("only", ["-no-CApath", "-no-CAstore"])
def test_options_exclude_every_certificate_store_of_openssl(
    pki: Pki, hashed: Identity, tmp_path: Path, only: str
) -> None:
    """Which of the two a folder of roots is read through differs between versions of OpenSSL: both are closed."""
    seen = tmp_path / "arguments"
    folder = f"SSL_CERT_DIR={tmp_path / 'roots'}; export SSL_CERT_DIR"
    closed = program(tmp_path / "closed", f'echo "$@" >{seen}; {folder}; exec {openssl.PROGRAM} "$@"')
    assert refused(command(program=closed), hashed, pki.root).reason is Reason.SIGNER_UNTRUSTED
    assert only in seen.read_text().split()


def test_environment_is_not_passed_to_openssl(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "environment"
    monkeypatch.setenv("OPENSSL_CONF", "/nonexistent/openssl.cnf")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/roots.pem")
    wrapper = program(tmp_path / "openssl", f'/usr/bin/env >{seen}; exec {openssl.PROGRAM} "$@"')
    command(program=wrapper).require_server(parsed(pki.signer, *pki.intermediates, pki.root), NAME)
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert names <= {"PWD", "SHLVL", "_", "OLDPWD"}  # what the shell itself sets


def test_openssl_is_not_looked_up_on_path(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    program(tmp_path / "openssl", f"touch {ran}")
    monkeypatch.setenv("PATH", str(tmp_path))
    command().require_server(parsed(pki.signer, *pki.intermediates, pki.root), NAME)
    assert not ran.exists()


def test_certificate_policies_are_checked_by_every_openssl_version(pki: Pki, tmp_path: Path) -> None:
    # `-policy` alone has not enabled the check in every version (CVE-2023-0466).
    seen = tmp_path / "arguments"
    wrapper = program(tmp_path / "openssl", f'echo "$@" >{seen}; exec {openssl.PROGRAM} "$@"')
    command(program=wrapper).require_server(parsed(pki.signer, *pki.intermediates, pki.root), NAME)
    assert {"-policy_check", "-policy", "2.5.29.32.0"} <= set(seen.read_text().split())


def test_openssl_run_leaves_no_file_open(pki: Pki) -> None:
    before = os.listdir("/proc/self/fd")
    command().require_server(parsed(pki.signer, *pki.intermediates, pki.root), NAME)
    refused(command(), pki.signer, pki.root)
    assert set(os.listdir("/proc/self/fd")) <= set(before)


# When it does not answer as it should.


def test_missing_openssl_is_named(pki: Pki) -> None:
    refusal = refused(command(program="/nonexistent/openssl"), pki.signer, *pki.intermediates, pki.root)
    assert refusal.reason is Reason.OPENSSL_MISSING
    assert "/nonexistent/openssl" in refusal.detail


def test_openssl_run_ends_at_the_deadline(pki: Pki, tmp_path: Path) -> None:
    slow = program(tmp_path / "openssl", "exec sleep 60")
    hurried = OpenSsl(True, int(time.time()), Deadline.after(0.2, time.monotonic), slow)
    assert refused(hurried, pki.signer, *pki.intermediates, pki.root).reason is Reason.DEADLINE_EXCEEDED
    late = OpenSsl(True, int(time.time()), Deadline.after(-1, time.monotonic), slow)
    assert refused(late, pki.signer, *pki.intermediates, pki.root).reason is Reason.DEADLINE_EXCEEDED


OK = "stdin: OK\\ndepth=0: CN = a (untrusted)\\ndepth=1: CN = b (untrusted)\\ndepth=2: CN = c\\n"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (f"printf '{OK}'; exit 2", "stdin: OK"),
        (f"printf 'x {OK}'", "x stdin: OK"),
        ("printf 'CN = x\\nerror 20 at 1 depth lookup: unable to get local issuer certificate\\n' >&2; exit 2",
         "unable to get local issuer certificate"),
        ("echo 'verify: Unknown option: -no-CAstore' >&2; echo 'verify: Use -help for summary.' >&2; exit 1",
         "verify: Unknown option: -no-CAstore"),
        ("echo; echo 'usage: verify' ; exit 1", "usage: verify"),
        ("exit 3", "it ended with status 3 and wrote nothing"),
        ("printf 'CN = a lookup: all is well\\nerror 10 at 0 depth lookup: certificate has expired\\n' >&2; exit 2",
         "certificate has expired"),
        (f"echo {'x' * 199}yz >&2; exit 2", f"{'x' * 199}y"),
    ],
)  # fmt: skip
def test_openssl_output_other_than_ok_is_a_refusal_with_its_message(
    pki: Pki, tmp_path: Path, answer: str, says: str
) -> None:
    path = [pki.signer, *pki.intermediates, pki.root]
    refusal = refused(command(program=program(tmp_path / "openssl", answer)), *path)
    assert refusal.reason is Reason.SIGNER_UNTRUSTED
    assert refusal.detail == f"openssl verify: {says}"


def test_openssl_output_with_ok_is_accepted(pki: Pki, tmp_path: Path) -> None:
    consenting = program(tmp_path / "openssl", f"printf '{OK}'")
    command(program=consenting).require_server(parsed(pki.signer, *pki.intermediates, pki.root), NAME)


COPIES = """
cat >"$0.stdin"
while [ $# -gt 0 ]; do
    case $1 in -untrusted | -CAfile) cat "$2" >"$0.$1" ;; esac
    shift
done
"""


@pytest.mark.parametrize("between", [1, 2])
def test_each_certificate_is_passed_to_openssl_once_in_its_role(pki: Pki, tmp_path: Path, between: int) -> None:
    path = [pki.signer, *pki.intermediates[:1], *pki.intermediates[:1] * (between - 1), pki.root]
    copying = program(tmp_path / "openssl", COPIES)
    refused(command(program=copying), *path)
    for name, expected in (("stdin", path[:1]), ("-untrusted", path[1:-1]), ("-CAfile", path[-1:])):
        assert (tmp_path / f"openssl.{name}").read_bytes() == b"".join(one.pem for one in expected)
