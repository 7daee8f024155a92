# SPDX-License-Identifier: Apache-2.0
"""The signer of pushed keys: verifies who it is, and that it signed a block."""

from __future__ import annotations

from typing import Callable, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from ..config.schema import Config
from ..model.deadline import Deadline
from ..model.reasons import NotGranted, Reason
from ..model.signed_key import Block
from ..model.value import Value
from . import openssl
from .certificate import Certificate
from .ocsp import Staples
from .path import parse_chain, path_to_root
from .roots import RootsFor

_SALT_BYTES = 32


class Signer(Value):
    """A signer whose name, chain and staples are verified, until `valid_until` (seconds since the epoch)."""

    key: rsa.RSAPublicKey
    valid_until: int

    def verify(self, block: Block) -> None:
        """RSASSA-PSS with SHA-256 over the block's exact bytes. Raises NotGranted with bad-signature."""
        if len(block.signature) != (self.key.key_size + 7) // 8:  # RFC 8017 section 8.1.2; OpenSSL is slow to say so
            raise NotGranted(Reason.BAD_SIGNATURE, "the signature has another length than the signer's")
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=_SALT_BYTES)
        try:
            self.key.verify(block.signature, block.signed, pss, hashes.SHA256())
        except InvalidSignature:
            raise NotGranted(Reason.BAD_SIGNATURE, "the signer did not sign these bytes") from None


class SignerVerifier:
    """Verifies a chain by the settings of `[trust]`; `roots_for` gives the roots of a domain."""

    def __init__(self, config: Config, roots_for: RootsFor, program: str = openssl.PROGRAM) -> None:
        self._require_ocsp = config.trust.require_ocsp
        self._clock_skew = config.keys.clock_skew
        self._roots_for = roots_for
        self._program = program

    def verify(
        self,
        pem: bytes,
        staples: Callable[[], Sequence[bytes]],
        region: str,
        domain: str,
        now: int,
        deadline: Deadline,
    ) -> Signer:
        """The signer of `region` and `domain` that the chain `pem` (signer first) proves at `now`.

        `staples` is called only after the chain is verified.

        Raises:
            NotGranted: signer-name-mismatch, signer-untrusted, signer-revoked, staple-missing, staple-invalid,
                config-invalid, deadline-exceeded.
        """
        certificates = parse_chain(pem)
        name = f"managed-ssh-signer.{region}.{domain}"
        _require_name(certificates[0], name)
        key = _signing_key(certificates[0])
        roots = self._roots_for(domain)
        command = openssl.OpenSsl(roots.private, now, deadline, self._program)
        path = path_to_root(certificates, roots, name, command)
        ends = [one.not_after for one in path]
        if self._require_ocsp:
            ends.append(Staples(staples(), command, self._clock_skew).verify_status(path))
        return Signer(key, min(ends))


def _require_name(certificate: Certificate, expected: str) -> None:
    names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [expected]:
        raise NotGranted(
            Reason.SIGNER_NAME_MISMATCH, f"the signer certificate's CN is {names!r:.200}, {expected!r} was expected"
        )


def _signing_key(certificate: Certificate) -> rsa.RSAPublicKey:
    if not isinstance(certificate.key, rsa.RSAPublicKey):
        raise NotGranted(Reason.SIGNER_UNTRUSTED, "the signer's key is not RSA")
    return certificate.key
