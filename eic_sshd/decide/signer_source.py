# SPDX-License-Identifier: Apache-2.0
"""What the judgement of blocks relies on: the verified signer, and the id of this instance.

Both come from the cache as long as they hold, otherwise from IMDS. AWS rotates the signer: what was read at two moments
may then disagree. So a judgement that looks like one of a rotation is made a second time, with everything read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional, TypeVar

from ..config.schema import Config
from ..model.deadline import Deadline
from ..model.outcome import Outcome
from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from . import checks
from .cache import Cache, Location

if TYPE_CHECKING:
    from ..trust.signer import Signer
    from .dependencies import Dependencies

# What a rotation of the signer between two reads looks like, or a cached fact that was wrong when it was read.
_RETRYABLE = frozenset({
    Reason.INSTANCE_MISMATCH, Reason.BAD_SIGNATURE, Reason.SIGNER_NAME_MISMATCH, Reason.SIGNER_UNTRUSTED,
    Reason.STAPLE_MISSING, Reason.STAPLE_INVALID,
})  # fmt: skip

Result = TypeVar("Result")


class Anchor(Value):
    """What blocks are judged by."""

    signer: Signer
    instance_id: str


ReadAnchor = Callable[[Deadline], Anchor]
"""Gives the anchor before the deadline; raises NotGranted."""


class SignerSource:
    """Reads the anchor, through `cache`. `report` gets each step that may take time, in words.

    One thread at a time uses it; several may share a cache.
    """

    def __init__(self, config: Config, dependencies: Dependencies, cache: Cache, report: Callable[[str], None]) -> None:
        self._config = config
        self._dependencies = dependencies
        self._cache = cache
        self._report = report

    def judge(self, judge: Callable[[ReadAnchor], Result]) -> Result:
        """The result of `judge`; where it raises what a rotation looks like, that of a second call.

        The first call gets what is cached, the second reads everything again. Raises NotGranted.
        """
        try:
            return judge(self._current)
        except NotGranted as refusal:
            if not _RETRYABLE & {refusal.reason, *(verdict.reason for verdict in refusal.verdicts)}:
                raise
            first = NotGranted(refusal.reason, refusal.detail)  # without what keeps the whole answer in memory
        self._dependencies.imds.forget()
        try:
            return judge(self._reread)
        except NotGranted as second:
            if second.reason is Reason.DEADLINE_EXCEEDED:
                detail = f"{second.detail}, when all was read again after this: {first}"
                raise NotGranted(second.reason, detail) from None
            if second.reason.outcome is Outcome.ERROR:
                failure = f"{first.detail}; it could not be read again: {second}"
                raise NotGranted(first.reason, failure) from None
            raise

    def _current(self, deadline: Deadline) -> Anchor:
        instance_id = self._cache.instance_id or self._read_instance_id(deadline)
        signer = self._cached_signer()
        if signer is not None:
            return Anchor(signer, instance_id)
        self._report("waiting for another login's verification of the signer")
        with self._cache.signer_lock(deadline):
            return Anchor(self._cached_signer() or self._read_signer(self._cache.location, deadline), instance_id)

    def _reread(self, deadline: Deadline) -> Anchor:
        instance_id = self._read_instance_id(deadline)
        self._report("waiting for another login's verification of the signer")
        with self._cache.signer_lock(deadline):
            return Anchor(self._read_signer(None, deadline), instance_id)

    def _cached_signer(self) -> Optional[Signer]:
        return self._cache.signer(self._dependencies.now(), self._dependencies.monotonic())

    def _read_instance_id(self, deadline: Deadline) -> str:
        """The instance id of IMDS, which the hardware confirms."""
        self._report("reading the instance id from IMDS")
        instance_id = self._dependencies.imds.instance_id(deadline)
        self._dependencies.hardware.require_instance(instance_id)
        self._cache.instance_id = instance_id
        return instance_id

    def _read_signer(self, location: Optional[Location], deadline: Deadline) -> Signer:
        """The signer of the chain that IMDS has now; `location` None: where this instance runs is read as well."""
        self._report("reading the signer's chain from IMDS")
        now, monotonic = self._dependencies.now(), self._dependencies.monotonic()
        pem = self._dependencies.imds.signer_chain(deadline)
        verified = self._cache.signer(now, monotonic, pem)
        return verified or self._verify(pem, location or self._read_location(deadline), deadline)

    def _read_location(self, deadline: Deadline) -> Location:
        """Where IMDS reports that this instance runs: in a region that the site allows, with that region's domain."""
        region = self._dependencies.imds.region(deadline)
        checks.require_region(region, self._config.instance.region)
        return Location(region, self._dependencies.imds.domain(region, deadline))

    def _verify(self, pem: bytes, location: Location, deadline: Deadline) -> Signer:
        self._report("verifying the signer's chain and staples")
        imds = self._dependencies.imds
        now, monotonic = self._dependencies.now(), self._dependencies.monotonic()
        verifier = self._dependencies.verifier()
        try:
            signer = verifier.verify(
                pem, lambda: imds.staples(deadline), location.region, location.domain, int(now), deadline
            )
        except NotGranted as refusal:
            if refusal.reason is Reason.STAPLE_MISSING and imds.unread_staple is not None:
                raise imds.unread_staple from None  # it is listed, but could not be read
            raise
        self._cache.location = location  # only a verified signer of that location proves it
        self._cache.store_signer(pem, signer, now, monotonic)
        imds.forget()  # the next chain is another one
        return signer
