# SPDX-License-Identifier: Apache-2.0
"""The signer's files: managed-ssh-keys/signer-cert (a PEM chain) and signer-ocsp (OCSP staples, in base64)."""

from __future__ import annotations

import base64
import hashlib
from typing import Callable, Dict, List, Optional, Tuple

from ..faults import Faults
from ..pki.authority import Identity, Pki, RsaIdentity
from ..pki.ocsp import StapleKind, staple

SIGNER_CERT = "managed-ssh-keys/signer-cert"
SIGNER_OCSP = "managed-ssh-keys/signer-ocsp"

_STAPLE_FAULTS = {
    "revoked": StapleKind.REVOKED,
    "unknown-staples": StapleKind.UNKNOWN,
    "stale-staples": StapleKind.STALE,
    "early-staples": StapleKind.EARLY,
    "no-next-update-staples": StapleKind.NO_NEXT_UPDATE,
    "unauthorized-responder-staples": StapleKind.UNAUTHORIZED_RESPONDER,
    "undelegated-staples": StapleKind.UNDELEGATED,
    "delegated-staples": StapleKind.DELEGATED,
    "refused-staples": StapleKind.REFUSED,
}
_HOSTILE_NAMES = ("../../../../latest/user-data", "..", "a/b", "%2e%2e", "x" * 200)


class SignerFiles:
    """The chain and the staples of `pki`, with the signer faults of `faults` applied."""

    def __init__(self, pki: Pki, faults: Faults) -> None:
        self._pki = pki
        self._faults = faults
        self._other_pki: Optional[Pki] = None
        self._faulty_signers: Dict[Tuple[str, bytes], RsaIdentity] = {}  # by fault and genuine signer
        self._staples: Dict[Tuple[bytes, StapleKind], bytes] = {}

    def rotate_staples(self) -> None:
        """Make new staples when they are next read."""
        self._staples.clear()

    def signer(self) -> RsaIdentity:
        """The signer in force."""
        return self._source()[1]

    def read(self, path: str) -> Optional[bytes]:
        """The body at `path`; None for a path that has none."""
        if path == SIGNER_CERT:
            return self._chain()
        if path == SIGNER_OCSP:
            return "\n".join(self._staple_names()).encode() or None
        if path.startswith(f"{SIGNER_OCSP}/"):
            return self._staples_by_name().get(path[len(SIGNER_OCSP) + 1 :])
        return None

    def _source(self) -> Tuple[Pki, RsaIdentity]:
        """The PKI and the signer in force."""
        if self._faults.has("other-root"):
            if self._other_pki is None:
                self._other_pki = self._pki.with_other_roots()
            return self._other_pki, self._other_pki.signer
        makers: Dict[str, Callable[[], RsaIdentity]] = {
            "wrong-signer-name": self._pki.misnamed_signer,
            "unfit-signer": self._pki.unfit_signer,
            "expired-signer": self._pki.expired_signer,
        }
        fault = next((name for name in makers if self._faults.has(name)), None)
        if fault is None:
            return self._pki, self._pki.signer
        key = fault, self._pki.signer.der
        if key not in self._faulty_signers:
            self._faulty_signers[key] = makers[fault]()
        return self._pki, self._faulty_signers[key]

    def _chain(self) -> bytes:
        if self._faults.has("no-certificate"):
            return b"no certificate\n"
        pki, signer = self._source()
        return b"".join(one.pem for one in pki.chain(signer))

    def _staple_names(self) -> List[str]:
        hostile = _HOSTILE_NAMES if self._faults.has("hostile-staple-names") else ()
        return [*hostile, *self._staples_by_name()]

    def _staples_by_name(self) -> Dict[str, bytes]:
        if self._faults.has("missing-staples"):
            return {}
        pki, signer = self._source()
        kind = next((kind for fault, kind in _STAPLE_FAULTS.items() if self._faults.has(fault)), StapleKind.GOOD)
        staples = {}
        for subject, issuer in zip(pki.chain(signer), pki.issuers()):
            of_signer = subject is signer
            if of_signer and self._faults.has("missing-staple"):
                continue
            # The fault `revoked` revokes the signer alone; every other fault applies to all staples.
            kind_here = StapleKind.GOOD if kind is StapleKind.REVOKED and not of_signer else kind
            text = _base64_line(self._staple(subject, issuer, kind_here))
            staples[self._name(subject.der)] = b"%%%" if self._faults.has("garbage-staples") else text
            if of_signer and self._faults.has("revoked-long-ago"):
                revoked = self._staple(subject, issuer, StapleKind.REVOKED_LONG_AGO)
                staples[self._name(revoked)] = _base64_line(revoked)
        return staples

    def _staple(self, subject: Identity, issuer: Identity, kind: StapleKind) -> bytes:
        if (subject.der, kind) not in self._staples:
            self._staples[subject.der, kind] = staple(kind, subject, issuer)
        return self._staples[subject.der, kind]

    def _name(self, der: bytes) -> str:
        algorithm = "sha256" if self._faults.has("sha256-staple-names") else "sha1"
        return hashlib.new(algorithm, der).hexdigest().upper()


def _base64_line(der: bytes) -> bytes:
    return base64.b64encode(der) + b"\n"
