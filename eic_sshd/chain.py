# SPDX-License-Identifier: Apache-2.0
"""Certificate path validation, by OpenSSL: `openssl verify` decides, and tells which path it found.

Certificates go to it through memory files, so nothing is written to disk, and it gets an empty environment, so that
neither OPENSSL_CONF nor SSL_CERT_FILE can add a root.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import subprocess
from typing import Callable, Iterator, List, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .deadline import Deadline
from .decision import NotGranted, Reason
from .roots import Roots, pem_certificates
from .signature import UNUSABLE, issued

OPENSSL = "/usr/bin/openssl"
_MAX_CERTIFICATES = 10
_MAX_PATHS = 8
# `openssl verify -show_chain` marks the certificates that came from us and not from the roots.
_UNTRUSTED = re.compile(r"^depth=[0-9]+: .*\(untrusted\)$", re.MULTILINE)

Verify = Callable[[Sequence[x509.Certificate], Roots, int, Deadline], List[x509.Certificate]]
"""Shape of `path_to_root`, for whoever passes another one in."""


def parse_chain(pem: bytes) -> List[x509.Certificate]:
    """The certificates of `signer-cert`, signer first. Raises NotGranted with signer-untrusted."""
    ders = pem_certificates(pem)
    if not ders:
        raise NotGranted(Reason.SIGNER_UNTRUSTED, "signer-cert has no certificate in it")
    if len(ders) > _MAX_CERTIFICATES:
        raise NotGranted(Reason.SIGNER_UNTRUSTED, f"signer-cert has more than {_MAX_CERTIFICATES} certificates")
    # Behind the signer, what cannot be parsed cannot be part of a path either, and need not be.
    return [load(ders[0]), *_readable(ders[1:])]


def load(der: bytes) -> x509.Certificate:
    """Raises NotGranted with signer-untrusted if `der` is no certificate."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.subject, certificate.issuer  # noqa: B018 - parsed on demand, so that they fail here
        return certificate
    except UNUSABLE as error:
        raise NotGranted(Reason.SIGNER_UNTRUSTED, f"a certificate cannot be parsed: {error}") from error


def _readable(ders: Sequence[bytes]) -> Iterator[x509.Certificate]:
    """The certificates that can be parsed: one odd one in a bundle of a hundred must not keep everybody out."""
    for der in ders:
        with contextlib.suppress(NotGranted):
            yield load(der)


def path_to_root(
    chain: Sequence[x509.Certificate], roots: Roots, now: int, deadline: Deadline
) -> List[x509.Certificate]:
    """The path that OpenSSL validated at `now`: signer, its issuers, and the trusted root last.

    Raises:
        NotGranted: signer-untrusted, with what OpenSSL said; deadline-exceeded.
    """
    # Self-signed certificates in it are no help: a root is one of ours or none, and OpenSSL may take a wrong turn.
    chain = [chain[0], *(certificate for certificate in chain[1:] if certificate.subject != certificate.issuer)]
    issuers = {certificate.issuer for certificate in chain}
    anchors = [root for root in _readable(roots.certificates) if root.subject in issuers]
    if not anchors:
        raise NotGranted(
            Reason.SIGNER_UNTRUSTED, "none of the trusted roots issued any certificate of the signer's chain"
        )
    length = _openssl_verify(chain[0], chain[1:], anchors, roots.private, now, deadline)
    paths = list(itertools.islice(_paths(chain, length), _MAX_PATHS))
    for path in paths:
        # With one candidate it is the path that OpenSSL took; with several (cross-signed twins) each is put to it.
        if len(paths) > 1 and not _is_path(path, anchors, roots.private, now, deadline):
            continue
        root = next((root for root in anchors if issued(root, path[-1])), None)
        if root is not None:
            return [*path, root]
    raise NotGranted(Reason.SIGNER_UNTRUSTED, "the path that OpenSSL took through the signer's chain is not clear")


def _paths(chain: Sequence[x509.Certificate], length: int) -> Iterator[List[x509.Certificate]]:
    """The ways to line up `length` certificates of `chain`, signer first, each issued by the next."""

    def extend(path: List[x509.Certificate]) -> Iterator[List[x509.Certificate]]:
        if len(path) == length:
            yield path
            return
        for certificate in chain[1:]:
            if certificate not in path and issued(certificate, path[-1]):
                yield from extend([*path, certificate])

    return extend([chain[0]])


def _is_path(
    path: List[x509.Certificate], anchors: List[x509.Certificate], private: bool, now: int, deadline: Deadline
) -> bool:
    try:
        return _openssl_verify(path[0], path[1:], anchors, private, now, deadline) == len(path)
    except NotGranted as refusal:
        if refusal.reason is not Reason.SIGNER_UNTRUSTED:
            raise
        return False


def _openssl_verify(
    signer: x509.Certificate,
    untrusted: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    private: bool,
    now: int,
    deadline: Deadline,
) -> int:
    """How many certificates of the path are not roots, the signer included (openssl-verification-options(1))."""
    with contextlib.ExitStack() as files:
        command = [OPENSSL, "verify", "-show_chain", "-attime", str(now), "-auth_level", "2"]
        # A site's file may name an intermediate as its root. EC2's public chains meet the strict profile of RFC 5280.
        command += ["-partial_chain"] if private else ["-x509_strict"]
        descriptors = [files.enter_context(_memory_file(anchors))]
        command += ["-no-CApath", "-no-CAstore", "-CAfile", f"/proc/self/fd/{descriptors[0]}"]
        if untrusted:
            descriptors.append(files.enter_context(_memory_file(untrusted)))
            command += ["-untrusted", f"/proc/self/fd/{descriptors[1]}"]
        finished = _run(command, _pem([signer]), descriptors, deadline)
    if finished.returncode != 0 or not finished.stdout.startswith("stdin: OK\n"):
        raise NotGranted(Reason.SIGNER_UNTRUSTED, f"openssl verify: {_complaint(finished.stderr)}")
    return len(_UNTRUSTED.findall(finished.stdout))


def _run(
    command: List[str], stdin: bytes, descriptors: List[int], deadline: Deadline
) -> subprocess.CompletedProcess[str]:
    try:
        finished = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            pass_fds=descriptors,
            env={},
            timeout=max(deadline.remaining(), 0),
        )
    except subprocess.TimeoutExpired as error:
        raise NotGranted(Reason.DEADLINE_EXCEEDED, "openssl verify took too long") from error
    except OSError as error:
        raise NotGranted(Reason.OPENSSL_MISSING, f"{OPENSSL} could not be run: {error.strerror}") from error
    out, err = finished.stdout.decode("utf-8", "replace"), finished.stderr.decode("utf-8", "replace")
    return subprocess.CompletedProcess(command, finished.returncode, out, err)


def _complaint(stderr: str) -> str:
    errors = [line for line in stderr.splitlines() if line.startswith("error ") and " lookup: " in line]
    return errors[0].partition(" lookup: ")[2] if errors else "it refused the chain"


@contextlib.contextmanager
def _memory_file(certificates: Sequence[x509.Certificate]) -> Iterator[int]:
    descriptor = os.memfd_create("eic-sshd-certificates")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(_pem(certificates))
        yield descriptor
    finally:
        os.close(descriptor)


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
