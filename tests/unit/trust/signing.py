# SPDX-License-Identifier: Apache-2.0
"""What the tests of the signer share: a verification as the authorizer does one, over certificates of the sandbox."""

from __future__ import annotations

import ssl
import subprocess
import time
from pathlib import Path
from typing import List, Sequence

import pytest

from eic_sandbox.pki.authority import Identity, Pki
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.config.schema import build
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust import openssl
from eic_sshd.trust.certificate import Certificate, read
from eic_sshd.trust.openssl import OpenSsl
from eic_sshd.trust.roots import Roots, RootsFor
from eic_sshd.trust.signer import Signer, SignerVerifier

REGION, DOMAIN = "us-west-2", "amazonaws.com"
NAME = f"managed-ssh-signer.{REGION}.{DOMAIN}"


def trusting(*identities: Identity, private: bool = True) -> RootsFor:
    return lambda domain: Roots([identity.der for identity in identities], private)


def pem(certificates: Sequence[Identity]) -> bytes:
    return b"".join(one.pem for one in certificates)


def staples_of(pki: Pki, kind: StapleKind = StapleKind.GOOD) -> List[bytes]:
    return [staple(kind, subject, issuer) for subject, issuer in zip(pki.chain(), pki.issuers())]


def soon() -> Deadline:
    return Deadline.after(30, time.monotonic)


def command(private: bool = True, now: int = 0, program: str = openssl.PROGRAM) -> OpenSsl:
    return OpenSsl(private, now or int(time.time()), soon(), program)


def parsed(*identities: Identity) -> List[Certificate]:
    return [read(one.der) for one in identities]


def self_signed_with_sha1(folder: Path) -> Certificate:
    """A root as old ones are, by OpenSSL: newer versions of cryptography sign nothing with SHA-1."""
    made = folder / "sha1.pem"
    command = [openssl.PROGRAM, "req", "-x509", "-sha1", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null"]
    done = subprocess.run([*command, "-subj", "/CN=Old Root", "-out", str(made)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("OpenSSL signs nothing with SHA-1 here")
    return read(ssl.PEM_cert_to_DER_cert(made.read_text()))


def verify(
    presented: bytes,
    staples: Sequence[bytes],
    roots_for: RootsFor,
    require_ocsp: bool = True,
    ahead: int = 0,
    program: str = openssl.PROGRAM,
) -> Signer:
    config = build({"trust": {"require_ocsp": require_ocsp}})
    now = int(time.time()) + ahead
    return SignerVerifier(config, roots_for, program).verify(presented, lambda: staples, REGION, DOMAIN, now, soon())


def refused(
    presented: bytes,
    staples: Sequence[bytes],
    roots_for: RootsFor,
    require_ocsp: bool = True,
    ahead: int = 0,
    program: str = openssl.PROGRAM,
) -> NotGranted:
    with pytest.raises(NotGranted) as caught:
        verify(presented, staples, roots_for, require_ocsp, ahead, program)
    return caught.value


def refusal(
    presented: bytes, staples: Sequence[bytes], roots_for: RootsFor, require_ocsp: bool = True, ahead: int = 0
) -> Reason:
    return refused(presented, staples, roots_for, require_ocsp, ahead).reason
