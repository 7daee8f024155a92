# SPDX-License-Identifier: Apache-2.0
"""OCSP staples (RFC 6960): which certificate one covers, who made it, and what it says.

A staple is matched to a certificate by the CertID within it, never by the name under which IMDS lists it. That a
certificate is revoked counts from whoever its issuer ever let say so, however long ago. That it is good counts only
while the answer is fresh and its maker is, at this moment, one that OpenSSL would believe.
"""

from __future__ import annotations

import itertools
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from . import profile
from .certificate import Certificate, Unusable, epoch_seconds, parsed, read
from .decision import NotGranted, Reason
from .openssl import OpenSsl
from .signature import is_strong, issued, require_signed_by

# Answers that are looked at in one response, certificates in it that may be its maker's, and delegated responders that
# OpenSSL is asked about in all. Two of each is more than AWS or a site's CA has a use for.
_MAX_ANSWERS = 16
_MAX_CERTIFICATES = 4
_MAX_DELEGATES = 4

# What cryptography before 37 says of a response with several answers. One that it cannot read may be a REVOKED.
_SEVERAL = "more than one SINGLERESP"

_Single = Union["ocsp.OCSPSingleResponse", ocsp.OCSPResponse]


class _Answer(NamedTuple):
    """What a staple says of one certificate; times in seconds since the epoch."""

    staple: _Staple
    status: ocsp.OCSPCertStatus
    this_update: int
    next_update: Optional[int]


class _Staple:
    """A response that was successful, as far as it can be parsed. Raises Unusable."""

    def __init__(self, der: bytes) -> None:
        self._response = response = parsed(ocsp.load_der_ocsp_response, der)
        status = parsed(lambda: response.response_status)
        if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise Unusable(f"it is an error: {status.name}")
        self._singles = parsed(self._read_singles)
        if len(self._singles) > _MAX_ANSWERS:
            raise Unusable(f"it has more than {_MAX_ANSWERS} answers")
        self._responder = parsed(lambda: (response.responder_name, response.responder_key_hash))
        self.hash = parsed(lambda: response.signature_hash_algorithm)
        self._signature, self._signed = parsed(lambda: (response.signature, response.tbs_response_bytes))
        self._makers: Dict[bytes, Union[Certificate, Unusable]] = {}
        self._ids: Dict[Tuple[bytes, bytes, str], Tuple[bytes, bytes]] = {}

    def answers(self, certificate: Certificate, issuer: Certificate) -> Iterator[_Answer]:
        """What it says of `certificate`: nothing, if it covers others only. Raises Unusable."""
        for serial, single in self._singles:
            if serial == certificate.serial and parsed(self._covers, single, certificate, issuer):
                yield parsed(self._answer, single)

    def _covers(self, single: _Single, certificate: Certificate, issuer: Certificate) -> bool:
        algorithm = single.hash_algorithm
        asked = (certificate.der, issuer.der, algorithm.name)
        if asked not in self._ids:
            builder = ocsp.OCSPRequestBuilder().add_certificate(certificate.parsed, issuer.parsed, algorithm)
            request = builder.build()
            self._ids[asked] = request.issuer_name_hash, request.issuer_key_hash
        return self._ids[asked] == (single.issuer_name_hash, single.issuer_key_hash)

    def maker(self, issuer: Certificate) -> Certificate:
        """Who made it: `issuer`, or a responder to which it once delegated that. Raises Unusable if neither did."""
        if issuer.der not in self._makers:
            try:
                self._makers[issuer.der] = self._find_maker(issuer)
            except Unusable as problem:
                self._makers[issuer.der] = problem
        made = self._makers[issuer.der]
        if isinstance(made, Unusable):
            raise made
        return made

    def _find_maker(self, issuer: Certificate) -> Certificate:
        delegates = (one for one in self._certificates() if is_delegate(one, issuer))
        for maker in itertools.chain([issuer], delegates):
            if self._names(maker):
                try:
                    require_signed_by(maker.key, self._signature, self._signed, self.hash, weak=True)
                    return maker
                except Unusable:
                    continue  # another certificate of that name may be its maker's
        raise Unusable("it was made neither by the certificate's issuer nor by a responder of the issuer's")

    def _names(self, maker: Certificate) -> bool:
        """Whether its responderID is `maker` (RFC 6960 section 4.2.1)."""
        name, key_id = self._responder
        return name == maker.subject if name is not None else key_id == maker.key_id

    def _certificates(self) -> Iterator[Certificate]:
        for one in parsed(lambda: list(self._response.certificates))[:_MAX_CERTIFICATES]:
            try:
                yield read(parsed(one.public_bytes, Encoding.DER))
            except Unusable:
                continue  # it cannot be the maker's

    def _read_singles(self) -> List[Tuple[int, _Single]]:
        # One response may cover several certificates; cryptography before 37 loads those that cover one only.
        response = self._response
        singles: Iterator[_Single] = iter(response.responses if hasattr(response, "responses") else [response])
        return [(one.serial_number, one) for one in itertools.islice(singles, _MAX_ANSWERS + 1)]

    def _answer(self, single: _Single) -> _Answer:
        this_update = cast(int, epoch_seconds(single, "this_update"))  # which every answer has
        return _Answer(self, single.certificate_status, this_update, epoch_seconds(single, "next_update"))


def is_delegate(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether `issuer` itself issued `certificate` to an OCSP responder (RFC 6960 section 4.2.2.2)."""
    usage = certificate.extension(x509.ExtendedKeyUsage)
    if usage is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usage.value:
        return False
    return issued(issuer, certificate, weak=True)


class Staples:
    """The staples of a chain, whose responders are held to `openssl`; times are seconds since the epoch."""

    def __init__(self, ders: Sequence[bytes], openssl: OpenSsl, clock_skew: int) -> None:
        self._openssl = openssl
        self._clock_skew = clock_skew
        self._staples: List[_Staple] = []
        self._problems: List[str] = []
        self._unread: Optional[str] = None
        self._delegates: Dict[bytes, Optional[str]] = {}
        for der in dict.fromkeys(ders):
            try:
                self._staples.append(_Staple(der))
            except Unusable as problem:
                self._problems.append(f"a staple cannot be used: {problem}")
                if _SEVERAL in str(problem):
                    self._unread = self._problems[-1]

    def require_good(self, path: Sequence[Certificate]) -> int:
        """Until when (seconds since the epoch) staples vouch for every certificate of `path` but the root.

        Raises:
            NotGranted: signer-revoked, staple-missing, staple-invalid (with the reason), deadline-exceeded,
                openssl-missing.
        """
        if self._unread is not None:
            raise NotGranted(Reason.STAPLE_INVALID, self._unread)
        for certificate, issuer in zip(path, path[1:]):
            if self._is_revoked(certificate, issuer):
                raise NotGranted(Reason.SIGNER_REVOKED, f"{certificate.label} is revoked")
        return min(self._good_until(path[at:]) for at in range(len(path) - 1))

    def _is_revoked(self, certificate: Certificate, issuer: Certificate) -> bool:
        """Whether anyone who ever could says that `certificate` is revoked."""
        for answer in self._answers(certificate, issuer, []):
            if answer.status is ocsp.OCSPCertStatus.REVOKED and _is_authorized(answer, issuer):
                return True
        return False

    def _answers(self, certificate: Certificate, issuer: Certificate, problems: List[str]) -> List[_Answer]:
        found: List[_Answer] = []
        for staple in self._staples:
            try:
                found += staple.answers(certificate, issuer)
            except Unusable as problem:
                problems.append(f"a staple cannot be used: {problem}")
        return found

    def _good_until(self, path: Sequence[Certificate]) -> int:
        """Until when a staple vouches for `path[0]`."""
        problems: List[str] = []
        answers = self._answers(path[0], path[1], problems)
        latest_first = sorted(answers, key=lambda answer: answer.next_update or 0, reverse=True)
        for answer in latest_first:
            try:
                return self._vouches_until(answer, path[1:])
            except Unusable as problem:
                problems.append(f"the staple cannot be used: {problem}")
        problems += self._problems
        if problems:
            raise NotGranted(Reason.STAPLE_INVALID, f"{path[0].label}: {problems[0]}")
        raise NotGranted(Reason.STAPLE_MISSING, f"no staple covers {path[0].label}")

    def _vouches_until(self, answer: _Answer, issuers: Sequence[Certificate]) -> int:
        """Until when a fresh answer says good, made by `issuers[0]` or a delegate of it. Raises Unusable."""
        now = self._openssl.now
        if answer.this_update > now + self._clock_skew:
            raise Unusable("it is not valid yet")
        if answer.next_update is None or answer.next_update <= now:
            raise Unusable("it is stale")
        if answer.next_update < answer.this_update:
            raise Unusable("its nextUpdate is before its thisUpdate")
        if answer.status is not ocsp.OCSPCertStatus.GOOD:
            raise Unusable("it says that the responder does not know the certificate")
        maker = answer.staple.maker(issuers[0])
        if not is_strong(maker.key, answer.staple.hash):
            raise Unusable("it is signed with a hash that is too weak")
        if maker.der == issuers[0].der:
            return answer.next_update
        problem = self._problem_of(maker, issuers)
        if problem is not None:
            raise Unusable(f"its responder {maker.label}: {problem}")
        return min(answer.next_update, maker.not_after)

    def _problem_of(self, delegate: Certificate, issuers: Sequence[Certificate]) -> Optional[str]:
        """Why the responder may not say that a certificate is good; None if it may. Found out once for each."""
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
        if self._is_revoked(delegate, issuers[0]):
            return "it is revoked"
        try:
            self._openssl.require_responder([delegate, *issuers])
        except NotGranted as refusal:
            if refusal.reason is not Reason.SIGNER_UNTRUSTED:
                raise
            return refusal.detail
        return None


def _is_authorized(answer: _Answer, issuer: Certificate) -> bool:
    try:
        answer.staple.maker(issuer)
        return True
    except Unusable:
        return False
