# SPDX-License-Identifier: Apache-2.0
"""Certificate path validation by OpenSSL: `openssl verify` gets one path and reports whether it is valid.

Certificates go to it through memory files, so nothing is written to disk, and it gets an empty environment and no
store of the machine's, so that neither OPENSSL_CONF nor SSL_CERT_FILE nor a folder can add a root.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from typing import Iterator, List, Sequence

from cryptography.hazmat.primitives.serialization import Encoding

from ..model.deadline import Deadline
from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from .certificate import Certificate

PROGRAM = "/usr/bin/openssl"
# Without it, OpenSSL refuses every path on which a CA requires an explicit policy, whatever policies it has.
_ANY_POLICY = "2.5.29.32.0"
# `openssl verify -show_chain` marks the certificates that are not the trusted root.
_UNTRUSTED = re.compile(r"^depth=[0-9]+: .*\(untrusted\)$", re.MULTILINE)


class OpenSsl(Value):
    """The command `program`, run at the time `now` (seconds since the epoch); it must end by `deadline`.

    With `private` the root is a site's own and not a public PKI's.
    """

    private: bool
    now: int
    deadline: Deadline
    program: str = PROGRAM

    def require_server(self, path: Sequence[Certificate], name: str) -> None:
        """`path`, the server's certificate first and the trusted root last, is valid for the TLS server `name`.

        Raises NotGranted: signer-untrusted, with OpenSSL's message; deadline-exceeded; openssl-missing.
        """
        options = ["-purpose", "sslserver", "-verify_hostname", name, "-policy_check", "-policy", _ANY_POLICY]
        # EC2's public chains meet the strict profile of RFC 5280.
        self._require(path, options if self.private else [*options, "-x509_strict"])

    def require_responder(self, path: Sequence[Certificate]) -> None:
        """`path`, a delegated OCSP responder's certificate first, is valid. Raises as `require_server`.

        OpenSSL's purpose `ocsphelper` checks nothing of the responder's own certificate; the caller must.
        """
        self._require(path, [])

    def _require(self, path: Sequence[Certificate], options: List[str]) -> None:
        with contextlib.ExitStack() as files:
            command = [self.program, "verify", "-show_chain", "-attime", str(self.now), "-auth_level", "2", *options]
            if self.private:
                command.append("-partial_chain")  # a site's file may name an intermediate as its root
            descriptors = [files.enter_context(_memory_file(path[-1:]))]
            command += ["-no-CApath", "-no-CAstore", "-CAfile", f"/proc/self/fd/{descriptors[0]}"]
            if len(path) > 2:
                descriptors.append(files.enter_context(_memory_file(path[1:-1])))
                command += ["-untrusted", f"/proc/self/fd/{descriptors[1]}"]
            finished = self._run(command, _pem(path[:1]), descriptors)
        if finished.returncode != 0 or not finished.stdout.startswith("stdin: OK\n"):
            raise NotGranted(Reason.SIGNER_UNTRUSTED, f"openssl verify: {_complaint(finished)}")
        if len(_UNTRUSTED.findall(finished.stdout)) != len(path) - 1:
            raise NotGranted(Reason.SIGNER_UNTRUSTED, "openssl verify: it took another path than the one given")

    def _run(self, command: List[str], stdin: bytes, descriptors: List[int]) -> subprocess.CompletedProcess[str]:
        try:
            finished = subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                pass_fds=descriptors,
                env={},
                timeout=self.deadline.remaining(),
            )
        except subprocess.TimeoutExpired as error:
            raise NotGranted(Reason.DEADLINE_EXCEEDED, "openssl verify took too long") from error
        except OSError as error:
            raise NotGranted(Reason.OPENSSL_MISSING, f"{self.program} could not be run: {error.strerror}") from error
        out, err = finished.stdout.decode("utf-8", "replace"), finished.stderr.decode("utf-8", "replace")
        return subprocess.CompletedProcess(command, finished.returncode, out, err)


def _complaint(finished: subprocess.CompletedProcess[str]) -> str:
    """Why OpenSSL refused: its reason where it names one, else the first line that it wrote."""
    lines = [*finished.stderr.splitlines(), *finished.stdout.splitlines()]
    reasons = (line.partition(" lookup: ")[2] for line in lines if line.startswith("error "))
    written = (line.strip() for line in lines)
    found = next(filter(None, reasons), None) or next(filter(None, written), None)
    return found[:200] if found else f"it ended with status {finished.returncode} and wrote nothing"


@contextlib.contextmanager
def _memory_file(certificates: Sequence[Certificate]) -> Iterator[int]:
    descriptor = os.memfd_create("eic-sshd-certificates")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(_pem(certificates))
        yield descriptor
    finally:
        os.close(descriptor)


def _pem(certificates: Sequence[Certificate]) -> bytes:
    return b"".join(one.parsed.public_bytes(Encoding.PEM) for one in certificates)
