# SPDX-License-Identifier: Apache-2.0
"""One decision from start to end: which pushed keys, if any, may log in as this user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..config.schema import Config
from ..host import libraries
from ..model.deadline import Clock, Deadline
from ..model.decision import Decision, Request, Source
from ..model.public_key import PublicKey
from ..model.reasons import NotGranted, Outcome, Reason
from ..model.signed_key import Block
from . import checks, pushed
from .cache import Cache, Grant, GrantedBlock, Location
from .fallback import KeysOnDisk, NoKeys

if TYPE_CHECKING:
    from ..host.hardware import Hardware
    from ..imds.client import Imds
    from ..trust.signer import Signer, SignerVerifier


class Dependencies(NamedTuple):
    """Everything outside that a decision touches; `verifier` is made only when a signer must be verified."""

    imds: Imds
    hardware: Hardware
    verifier: Callable[[], SignerVerifier]
    keys_on_disk: KeysOnDisk
    now: Clock
    monotonic: Clock


class Authorizer:
    """Decides by `config`, looking at `dependencies`; what `cache` holds need not be asked for again.

    One thread at a time uses it; several may share a cache. `step` says what the decision under way is at.
    """

    def __init__(self, config: Config, dependencies: Dependencies, cache: Optional[Cache] = None) -> None:
        self._config = config
        self._dependencies = dependencies
        self._cache = cache or Cache()
        self._policy = config.keys.policy
        self.step = "it had not begun"

    def decide(self, request: Request, asked_at: Optional[float] = None) -> Decision:
        """The decision on `request`, whose time runs from `asked_at` (seconds of the monotonic clock; None: from now).

        Raises nothing: what was not foreseen is Reason.INTERNAL_ERROR.
        """
        begun = self._dependencies.monotonic() if asked_at is None else asked_at
        try:
            decision = self._decide(
                request, Deadline(begun + self._config.decision_deadline, self._dependencies.monotonic)
            )
        except NotGranted as refusal:
            decision = refuse(request, refusal, self._dependencies.keys_on_disk)
        except ImportError as error:  # some libraries load parts of theirs when these are first used
            decision = refuse(request, libraries.unusable(error), self._dependencies.keys_on_disk)
        except Exception as error:  # I1: whatever happens, nothing is handed out and a record says why
            unforeseen = NotGranted(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
            decision = refuse(request, unforeseen, self._dependencies.keys_on_disk)
        return self._timed(decision, begun)

    def remembered(self, request: Request, asked_at: float) -> Optional[Decision]:
        """The decision, if the requested key was granted a moment ago and may still log in; waits for nothing.

        None where `decide` has to make the decision. Raises nothing.
        """
        try:
            if self._stored(request) is None:
                return None  # the usual case, so it is the first to be found out
            checks.require_user_name(request.user)
            self._dependencies.hardware.require_ec2()
            grant = self._remembered(request)
        except Exception:  # `decide` meets with it as well, and says what it is
            return None
        return None if grant is None else self._timed(_decision(request, [grant], Source.CACHE), asked_at)

    def _timed(self, decision: Decision, begun: float) -> Decision:
        return decision._replace(elapsed_us=int((self._dependencies.monotonic() - begun) * 1_000_000))

    def _decide(self, request: Request, deadline: Deadline) -> Decision:
        checks.require_user_name(request.user)
        self.step = "reading what hardware this is"
        self._dependencies.hardware.require_ec2()
        remembered = self._remembered(request)
        if remembered is not None:
            return _decision(request, [remembered], Source.CACHE)
        try:
            return self._verified(request, deadline)
        except NotGranted as refusal:
            if not _RETRYABLE & {refusal.reason, *refusal.others}:
                raise
            first = NotGranted(refusal.reason, refusal.detail)  # without a traceback, which keeps the blocks in cache
        return self._retry_uncached(request, deadline, first)

    def _retry_uncached(self, request: Request, deadline: Deadline, first: NotGranted) -> Decision:
        """What was read may stem from before and after a rotation of the signer: then all of it must be read again."""
        self._dependencies.imds.forget()
        try:
            return self._verified(request, deadline, use_cache=False)
        except NotGranted as again:
            if again.reason is Reason.DEADLINE_EXCEEDED:
                raise NotGranted(again.reason, f"{again.detail}, when all was read again after this: {first}") from None
            if again.reason.outcome is Outcome.ERROR:
                failure = f"{first.detail}; it could not be read again: {again}"
                raise NotGranted(first.reason, failure) from None
            raise

    def _remembered(self, request: Request) -> Optional[Grant]:
        """The key that sshd asks for, with those of its blocks that may still log in, if it was granted before."""
        grant = self._stored(request)
        if grant is None:
            return None
        self._dependencies.hardware.require_instance(grant.instance_id)
        checks.require_fingerprint(grant.key, request.fingerprint)
        fresh = tuple(one for one in grant.blocks if self._is_fresh(one.block))
        return grant._replace(blocks=fresh) if fresh else None

    def _stored(self, request: Request) -> Optional[Grant]:
        if request.fingerprint is None:
            return None
        return self._cache.grant(request.user, request.fingerprint, self._dependencies.monotonic())

    def _is_fresh(self, block: Block) -> bool:
        try:
            checks.require_fresh(block, self._dependencies.now(), self._config.keys)
        except NotGranted:  # the clock was set since it was granted
            return False
        return True

    def _verified(self, request: Request, deadline: Deadline, use_cache: bool = True) -> Decision:
        self.step = "reading the pushed keys from IMDS"
        pushed_keys = self._dependencies.imds.active_keys(request.user, deadline)
        self.step = "reading the blocks of the pushed keys"
        blocks, refusals, not_judged = pushed.read(pushed_keys or b"", request.fingerprint)
        del pushed_keys  # it may be large, and what comes next may take a while
        instance_id = self._instance_id(deadline, use_cache)
        signer = self._signer(deadline, use_cache)
        self.step = "judging the pushed keys"
        granted: Dict[PublicKey, List[GrantedBlock]] = {}
        for block in blocks:
            try:
                key, granted_block = self._grant(block, signer, instance_id, request.fingerprint)
                granted.setdefault(key, []).append(granted_block)
            except NotGranted as refusal:
                refusals.add(refusal)
        if not granted:
            raise refusals.most_specific(not_judged)
        if deadline.remaining() <= 0:
            raise NotGranted(Reason.DEADLINE_EXCEEDED, "the answer was ready too late")
        grants = [Grant(key, tuple(blocks), instance_id) for key, blocks in granted.items()]
        for grant in grants:
            at = request.fingerprint or grant.key.fingerprint
            self._cache.store_grant(request.user, at, grant, self._dependencies.monotonic())
        return _decision(request, grants, Source.IMDS, not_judged)

    def _grant(
        self, block: Block, signer: Signer, instance_id: str, fingerprint: Optional[str]
    ) -> Tuple[PublicKey, GrantedBlock]:
        signer.verify(block)
        checks.require_instance(block, instance_id)
        now, monotonic, keys = self._dependencies.now(), self._dependencies.monotonic(), self._config.keys
        until = self._cache.block_end(block, monotonic, checks.seconds_valid(block, now, keys))
        checks.require_fresh(block, now, keys)
        checks.require_not_ended(until, monotonic)
        key = checks.key_of(block)
        checks.require_allowed(key, self._policy)
        checks.require_fingerprint(key, fingerprint)
        return key, GrantedBlock(block, until)

    def _instance_id(self, deadline: Deadline, use_cache: bool) -> str:
        """The instance id that the hardware confirms: the remembered one, or (without `use_cache`) the present one."""
        self.step = "reading the instance id from IMDS"
        instance_id = self._cache.instance_id if use_cache else None
        if instance_id is None:
            instance_id = self._dependencies.imds.instance_id(deadline)
            self._dependencies.hardware.require_instance(instance_id)
            self._cache.instance_id = instance_id
        return instance_id

    def _signer(self, deadline: Deadline, use_cache: bool) -> Signer:
        """The verified signer: the remembered one, or (without `use_cache`, or if it no longer holds) that of the
        present chain."""
        if use_cache:
            remembered = self._cache.signer(self._dependencies.now(), self._dependencies.monotonic())
            if remembered is not None:
                return remembered
        self.step = "waiting for another login's verification of the signer"
        with self._cache.signer_lock(deadline):
            now, monotonic = self._dependencies.now(), self._dependencies.monotonic()
            remembered = self._cache.signer(now, monotonic) if use_cache else None
            if remembered is not None:
                return remembered
            self.step = "reading the signer's chain from IMDS"
            pem = self._dependencies.imds.signer_chain(deadline)
            return self._cache.signer(now, monotonic, pem) or self._verify(pem, deadline, use_cache)

    def _verify(self, pem: bytes, deadline: Deadline, use_cache: bool) -> Signer:
        imds = self._dependencies.imds
        remembered = self._cache.location if use_cache else None
        region, domain = location = remembered or self._location(deadline)
        self.step = "verifying the signer's chain and staples"
        now, monotonic = self._dependencies.now(), self._dependencies.monotonic()
        verifier = self._dependencies.verifier()
        try:
            signer = verifier.verify(pem, lambda: imds.staples(deadline), region, domain, int(now), deadline)
        except NotGranted as refusal:
            if refusal.reason is Reason.STAPLE_MISSING and imds.unread_staple is not None:
                raise imds.unread_staple from None  # it is listed
            raise
        self._cache.location = location  # only now that a signer of that place has proved it
        self._cache.store_signer(pem, signer, now, monotonic)
        imds.forget()  # the next chain is another one
        return signer

    def _location(self, deadline: Deadline) -> Location:
        """Where IMDS says that this instance runs: in a region that the site allows, under that region's domain."""
        region = self._dependencies.imds.region(deadline)
        checks.require_region(region, self._config.instance.region)
        return Location(region, self._dependencies.imds.domain(region, deadline))


def refuse(request: Request, refusal: NotGranted, keys_on_disk: KeysOnDisk) -> Decision:
    """The decision where no pushed key is granted: keys on disk if the site wants them, nothing otherwise."""
    try:
        keys = keys_on_disk(request.user, request.fingerprint, refusal)
    except NoKeys as problem:
        details = (detail for detail in (refusal.detail, str(problem)) if detail)
        return Decision(request, refusal.reason, "; ".join(details))
    except Exception as error:  # the refusal stands, whatever is wrong with the fallback
        return Decision(request, refusal.reason, f"{refusal.detail}; fallback: {type(error).__name__}: {error}")
    return Decision(request, Reason.FALLBACK_FILE, str(refusal), keys, source=Source.FILE)


def _decision(request: Request, grants: Sequence[Grant], source: Source, not_judged: int = 0) -> Decision:
    """Grants `grants`, the latest push last; every caller that pushed one of these keys is named."""
    latest = sorted(grants, key=lambda grant: max(one.block.timestamp for one in grant.blocks))
    blocks = sorted((one.block for grant in latest for one in grant.blocks), key=lambda block: block.timestamp)
    return Decision(
        request=request,
        reason=Reason.GRANTED,
        detail=f"{not_judged} more blocks not looked at" if not_judged else "",
        keys=tuple(grant.key for grant in latest),
        callers=_distinct(block.caller for block in blocks),
        request_ids=_distinct(block.request_id for block in blocks),
        expires=min(max(one.block.timestamp for one in grant.blocks) for grant in latest),
        instance_id=latest[0].instance_id,
        source=source,
    )


def _distinct(values: Iterable[Optional[str]]) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value is not None))


# What a rotation of the signer between two reads looks like, or a remembered fact that was wrong when it was read.
_RETRYABLE = frozenset({
    Reason.INSTANCE_MISMATCH, Reason.BAD_SIGNATURE, Reason.SIGNER_NAME_MISMATCH, Reason.SIGNER_UNTRUSTED,
    Reason.STAPLE_MISSING, Reason.STAPLE_INVALID,
})  # fmt: skip
