# SPDX-License-Identifier: Apache-2.0
"""The signer's chain as IMDS gives it, and the paths in it that lead from the signer to a trusted root.

OpenSSL decides whether a path is valid. Which paths there are is found here, since `openssl verify` tries only one:
with cross-signed and self-issued certificates that may be a wrong one (RFC 4158 is about finding them). Signatures are
checked from the trusted roots downwards, so no time is spent with a key that no root leads to.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Container, Counter, Dict, Iterator, List, Optional, Sequence

from cryptography import x509

from ..model.reasons import NotGranted, Reason
from . import profile
from .certificate import Certificate, Unusable, read, subject
from .openssl import OpenSsl
from .roots import Roots, pem_certificates
from .signatures import issued

_MAX_CERTIFICATES = 10
# Certificates between the signer and the root, self-issued ones not counted (RFC 5280 section 4.2.1.9).
MAX_DEPTH = 6
# Paths that OpenSSL validates, and partial paths to one certificate that the search follows.
_MAX_PATHS = 4

Path = List[Certificate]
"""The signer first, then its issuers, the trusted root last."""


def parse_chain(pem: bytes) -> List[Certificate]:
    """The certificates of `signer-cert`, signer first. Raises NotGranted with signer-untrusted."""
    ders = pem_certificates(pem)
    if not ders:
        raise NotGranted(Reason.SIGNER_UNTRUSTED, "signer-cert has no certificate in it")
    if len(ders) > _MAX_CERTIFICATES:
        raise NotGranted(Reason.SIGNER_UNTRUSTED, f"signer-cert has more than {_MAX_CERTIFICATES} certificates")
    try:
        signer = read(ders[0])
    except Unusable as problem:
        raise NotGranted(Reason.SIGNER_UNTRUSTED, f"the signer's certificate: {problem}") from problem
    # A later certificate that cannot be parsed is skipped: it cannot be part of a path.
    return [signer, *_readable(ders[1:])]


def path_to_root(
    chain: Sequence[Certificate], trusted: Roots, name: str, openssl: OpenSsl, max_depth: int = MAX_DEPTH
) -> Path:
    """The shortest path from the signer `chain[0]` to a root that is valid for the TLS server `name`.

    Raises:
        NotGranted: signer-name-mismatch; signer-untrusted, with OpenSSL's message; deadline-exceeded; openssl-missing.
    """
    _require_server(chain[0], name)
    search = _Search(chain, trusted)
    refusals: List[NotGranted] = []
    for path in itertools.islice(search.paths(max_depth), _MAX_PATHS):
        try:
            openssl.require_server(path, name)
            return path
        except NotGranted as refusal:
            if refusal.reason is not Reason.SIGNER_UNTRUSTED:
                raise
            refusals.append(refusal)
    raise refusals[0] if refusals else NotGranted(Reason.SIGNER_UNTRUSTED, search.why_none())


def _require_server(signer: Certificate, name: str) -> None:
    reason = Reason.SIGNER_UNTRUSTED
    try:
        profile.require_sound(signer)
        profile.require_issued(signer)
        profile.require_server(signer)
        reason = Reason.SIGNER_NAME_MISMATCH
        profile.require_name(signer, name)
    except Unusable as problem:
        raise NotGranted(reason, f"the signer's certificate: {problem}") from problem


class _Search:
    """Which certificate of a chain was issued by which other, or by a root."""

    def __init__(self, chain: Sequence[Certificate], trusted: Roots) -> None:
        self._signer = chain[0]
        self._problems: List[str] = []
        known = set(trusted.certificates)
        authorities = [one for one in chain[1:] if one.der not in known and self._is_usable(one, root=False)]
        self._issuers: Dict[bytes, List[Certificate]] = {one.der: [] for one in [self._signer, *authorities]}
        self._roots = self._roots_of([self._signer, *authorities], trusted)
        self._link(authorities)

    def paths(self, max_depth: int) -> Iterator[Path]:
        """The paths to a root, the shortest first; a path has each certificate once."""
        waiting: List[Path] = [[self._signer]]
        partial: Counter[bytes] = Counter()
        while waiting:
            path = waiting.pop(0)
            partial[path[-1].der] += 1
            if partial[path[-1].der] > _MAX_PATHS:
                continue
            for issuer in self._issuers[path[-1].der]:
                if issuer.der in self._roots:
                    yield [*path, issuer]
                elif issuer.der not in (one.der for one in path) and _depth([*path, issuer]) <= max_depth:
                    waiting.append([*path, issuer])

    def why_none(self) -> str:
        """Why there is no path at all."""
        problem = f" ({self._problems[0]})" if self._problems else ""
        return f"none of the trusted roots issued any certificate of the signer's chain{problem}"

    def _roots_of(self, certificates: Sequence[Certificate], trusted: Roots) -> Dict[bytes, Certificate]:
        """The roots, by their DER, that are named as issuer of one of `certificates`."""
        names = {one.issuer for one in certificates}
        found = (root for root in _readable(trusted.certificates, names) if root.der != self._signer.der)
        return {root.der: root for root in found if self._is_usable(root, root=True)}

    def _link(self, authorities: Sequence[Certificate]) -> None:
        """Fill in the issuers of each certificate, from the roots downwards."""
        genuine = list(self._roots.values())
        for issuer in genuine:  # it grows meanwhile
            for certificate in [self._signer, *authorities]:
                if issued(issuer, certificate):
                    self._issuers[certificate.der].append(issuer)
                    if certificate.der != self._signer.der and certificate.der not in (one.der for one in genuine):
                        genuine.append(certificate)

    def _is_usable(self, certificate: Certificate, root: bool) -> bool:
        try:
            profile.require_sound(certificate)
            profile.require_authority(certificate)
            if root:
                profile.require_root(certificate)
            else:
                profile.require_issued(certificate)
            return True
        except Unusable as problem:
            self._problems.append(f"{certificate.label}: {problem}")
            return False


def _depth(path: Path) -> int:
    return sum(one.issuer != one.subject for one in path[1:])


def _readable(ders: Sequence[bytes], subjects: Optional[Container[x509.Name]] = None) -> Iterator[Certificate]:
    """The certificates that can be parsed (those of `subjects`, if these are given).

    The others are skipped, so that one bad entry does not disable the bundle, or a good chain before it.
    """
    for der in ders:
        with contextlib.suppress(Unusable):
            if subjects is None or subject(der) in subjects:
                yield read(der)
