# SPDX-License-Identifier: Apache-2.0
"""The certificates that all vectors share, at fixed times. Their private keys are never written."""

from __future__ import annotations

import datetime
from typing import Any, Dict, Optional, Sequence

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from eic_sandbox.pki import ocsp
from eic_sandbox.pki.authority import Identity, ec_key, issue, issue_server, rsa_key
from eic_sandbox.pki.ocsp import StapleKind

NOW = 1_700_000_000
"""The time of each decision, in seconds since the epoch: 2023-11-14 22:13:20 UTC."""

MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20)
BEGIN = datetime.datetime(2023, 11, 1)
"""When the certificates begin to be valid; they are for 30 days."""

HOUR, DAY, SECOND = (datetime.timedelta(seconds=seconds) for seconds in (3600, 86400, 1))

USER = "ec2-user"
INSTANCE = "i-0123456789abcdef0"
REGION = "us-west-2"
DOMAIN = "amazonaws.com"
NAME = f"managed-ssh-signer.{REGION}.{DOMAIN}"


def authority(name: str, issuer: Optional[Identity] = None, **options: Any) -> Identity:
    """A CA's certificate; `options` are those of `issue`."""
    key = options.pop("key", None) or ec_key()
    return issue(name, key, issuer, **{"ca": True, "not_before": BEGIN, **options})


def server(name: str, key: rsa.RSAPrivateKey, issuer: Optional[Identity], **options: Any) -> Identity:
    """A TLS server's certificate; `options` are those of `issue`."""
    return issue_server(name, key, issuer, **{"not_before": BEGIN, **options})


def responder(issuer: Optional[Identity], **options: Any) -> Identity:
    """The certificate of an OCSP responder to which `issuer` delegates."""
    usages = options.pop("usages", [ExtendedKeyUsageOID.OCSP_SIGNING])
    return issue("Vector Responder", ec_key(), issuer, ca=False, usages=usages, **{"not_before": BEGIN, **options})


def staple(kind: StapleKind, subject: Identity, issuer: Identity, **options: Any) -> bytes:
    """An OCSP response, fresh from an hour before NOW until a day after it; `options` are those of the sandbox's."""
    return ocsp.staple(kind, subject, issuer, **{"updates": (MOMENT - HOUR, MOMENT + DAY), **options})


def pem(certificates: Sequence[Identity]) -> bytes:
    """These certificates, one after another."""
    return b"".join(one.pem for one in certificates)


class Pki:
    """A signer below an intermediate below a root, which an older root has cross-signed."""

    def __init__(self) -> None:
        self.old_root = authority("Vector Old Root")
        self.root = authority("Vector Root")
        self.cross_signed_root = authority("Vector Root", self.old_root, key=self.root.key)
        self.other_root = authority("Vector Root")
        self.intermediate = authority("Vector CA", self.root)
        self.key = rsa_key()
        self.signer = server(NAME, self.key, self.intermediate)

    def chain(self, signer: Optional[Identity] = None) -> bytes:
        """What IMDS gives as signer-cert, PEM."""
        return pem([signer or self.signer, self.intermediate, self.cross_signed_root])

    def roots(self) -> Dict[str, Identity]:
        """The certificates that a case may trust, by the name of their file."""
        return {
            "root": self.root,
            "old-root": self.old_root,
            "other-root": self.other_root,
            "intermediate": self.intermediate,
        }
