# SPDX-License-Identifier: Apache-2.0
"""OCSP staples (RFC 6960): which certificate a staple covers, who made it, and the status that it reports.

A staple is matched to a certificate by the CertID in it, never by the name under which IMDS lists it. A status REVOKED
counts, however old it is, if its maker is or ever was authorized by the certificate's issuer. A status GOOD counts only
while it is fresh and OpenSSL accepts its maker now.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from cryptography import x509

from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from . import profile
from .certificate import Certificate, Unusable
from .ocsp_response import Answer, CertIds, Response, Undecided, may_concern
from .openssl import OpenSsl
from .responders import Responders
from .signatures import is_strong

# Delegated responders that OpenSSL validates, over all staples.
_MAX_DELEGATES = 4


class _Unread(Value):
    """A staple that cannot be parsed as a whole, and why."""

    der: bytes
    problem: str


class Staples:
    """The staples of a chain; `openssl` validates their responders. Times are in seconds since the epoch."""

    def __init__(self, ders: Sequence[bytes], openssl: OpenSsl, clock_skew: int) -> None:
        self._openssl = openssl
        self._clock_skew = clock_skew
        self._delegates: Dict[bytes, Optional[str]] = {}
        self._ids = CertIds()
        self._responses: List[Response] = []
        self._unread: List[_Unread] = []
        for der in dict.fromkeys(ders):
            try:
                self._responses.append(Response(der))
            except Unusable as problem:
                self._unread.append(_Unread(der, f"a staple cannot be used: {problem}"))
        self._responders = Responders(self._responses)

    def verify_status(self, path: Sequence[Certificate]) -> int:
        """Until when (seconds since the epoch) staples report GOOD for every certificate of `path` but the root.

        Raises:
            NotGranted: signer-revoked, staple-missing, staple-invalid (with the reason), deadline-exceeded,
                openssl-missing.
        """
        doubts: List[str] = []
        for certificate, issuer in zip(path, path[1:]):
            if self._is_revoked(certificate, issuer, doubts):
                raise NotGranted(Reason.SIGNER_REVOKED, f"{certificate.label} is revoked")
        if doubts:
            raise NotGranted(Reason.STAPLE_INVALID, doubts[0])
        return min(self._good_until(path[at:]) for at in range(len(path) - 1))

    def _is_revoked(self, certificate: Certificate, issuer: Certificate, doubts: List[str]) -> bool:
        """Whether an authorized maker reports that `certificate` is revoked; `doubts` gets why it may be."""
        for unread in self._unread:
            if may_concern(unread.der, certificate):
                doubts.append(f"{certificate.label} may be revoked: {unread.problem}")
        for answer in self._answers(certificate, issuer):
            if not answer.may_be_revoked:
                continue
            try:
                self._responders.maker(answer.response, issuer)
                answer.require_revoked()
                return True
            except Undecided as problem:
                doubts.append(f"{certificate.label} may be revoked: a staple that reports it cannot be used: {problem}")
            except Unusable:
                continue  # its maker is not authorized
        return False

    def _answers(self, certificate: Certificate, issuer: Certificate) -> List[Answer]:
        return [one for response in self._responses for one in response.answers(certificate, issuer, self._ids)]

    def _good_until(self, path: Sequence[Certificate]) -> int:
        """Until when a staple reports GOOD for `path[0]`."""
        problems: List[str] = []
        answers: List[Tuple[int, Answer]] = []
        for answer in self._answers(path[0], path[1]):
            try:
                answers.append((self._fresh_until(answer), answer))
            except Unusable as problem:
                problems.append(f"the staple cannot be used: {problem}")
        for until, answer in sorted(answers, key=lambda one: one[0], reverse=True):
            try:
                return self._holds_until(until, answer, path[1:])
            except Unusable as problem:
                problems.append(f"the staple cannot be used: {problem}")
        problems += [unread.problem for unread in self._unread]
        if problems:
            raise NotGranted(Reason.STAPLE_INVALID, f"{path[0].label}: {problems[0]}")
        raise NotGranted(Reason.STAPLE_MISSING, f"no staple covers {path[0].label}")

    def _fresh_until(self, answer: Answer) -> int:
        """Until when an answer reports GOOD, if it does so now. Raises Unusable."""
        if answer.problem is not None:
            raise Unusable(answer.problem)
        now = self._openssl.now
        this_update, next_update = answer.times()
        if this_update > now + self._clock_skew:
            raise Unusable("it is not valid yet")
        if next_update is None or next_update <= now:
            raise Unusable("it is stale")
        if next_update < this_update:
            raise Unusable("its nextUpdate is before its thisUpdate")
        if not answer.is_good:
            raise Unusable("its status is not GOOD")
        return next_update

    def _holds_until(self, until: int, answer: Answer, issuers: Sequence[Certificate]) -> int:
        """`until`, or the end of the answer's maker: `issuers[0]` or a delegate of it. Raises Unusable."""
        maker = self._responders.maker(answer.response, issuers[0])
        if not is_strong(maker.key, answer.response.signature().hash):
            raise Unusable("it is signed with a hash that is too weak")
        if maker.der == issuers[0].der:
            return until
        problem = self._problem_of(maker, issuers)
        if problem is not None:
            raise Unusable(f"its responder {maker.label}: {problem}")
        return min(until, maker.not_after)

    def _problem_of(self, delegate: Certificate, issuers: Sequence[Certificate]) -> Optional[str]:
        """Why the responder may not report GOOD; None if it may. Determined once for each responder."""
        if delegate.der not in self._delegates:
            if len(self._delegates) >= _MAX_DELEGATES:
                return f"more than {_MAX_DELEGATES} responders made the staples"
            self._delegates[delegate.der] = self._find_problem(delegate, issuers)
        return self._delegates[delegate.der]

    def _find_problem(self, delegate: Certificate, issuers: Sequence[Certificate]) -> Optional[str]:
        try:
            profile.require_sound(delegate)
        except Unusable as problem:
            return str(problem)
        usage = delegate.extension(x509.KeyUsage)
        if usage is not None and not usage.value.digital_signature:
            return "its keyUsage is not for digital signatures"
        if not delegate.not_before <= self._openssl.now < delegate.not_after:
            return "it is not valid at this time"
        doubts: List[str] = []
        if self._is_revoked(delegate, issuers[0], doubts):
            return "it is revoked"
        if doubts:
            return doubts[0]
        try:
            self._openssl.require_responder([delegate, *issuers])
        except NotGranted as refusal:
            if refusal.reason is not Reason.SIGNER_UNTRUSTED:
                raise
            return refusal.detail
        return None
