# SPDX-License-Identifier: Apache-2.0
"""One decision from start to end: which pushed keys, if any, may log in as this user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from . import checks, keyblob
from .deadline import Clock, Deadline
from .decision import Decision, NotGranted, Outcome, Reason, Request, Source
from .fallback import KeysOnDisk, NoKeys
from .keyblob import Block
from .memory import Grant, Memory, Place
from .settings import Config
from .sshkey import PublicKey

if TYPE_CHECKING:
    from .hardware import Hardware
    from .imds import Imds
    from .signer import Signer, SignerVerifier


class World(NamedTuple):
    """Everything outside that a decision touches; `verifier` is made only when a signer must be verified."""

    imds: Imds
    hardware: Hardware
    user_exists: Callable[[str], bool]
    verifier: Callable[[], SignerVerifier]
    keys_on_disk: KeysOnDisk
    now: Clock
    monotonic: Clock


class Authorizer:
    """Decides by `config`, looking at `world`; what `memory` holds need not be asked for again.

    One thread at a time uses it; several may share a memory.
    """

    def __init__(self, config: Config, world: World, memory: Optional[Memory] = None) -> None:
        self._config = config
        self._world = world
        self._memory = memory or Memory()
        self._policy = config.keys.policy

    def decide(self, request: Request, asked_at: Optional[float] = None) -> Decision:
        """The decision on `request`, whose time runs from `asked_at` on (`World.monotonic`'s seconds; None: from now).

        Raises nothing: what was not foreseen is Reason.INTERNAL_ERROR.
        """
        begun = self._world.monotonic() if asked_at is None else asked_at
        try:
            decision = self._judge(request, Deadline(begun + self._config.decision_deadline, self._world.monotonic))
        except NotGranted as refusal:
            decision = refuse(request, refusal, self._world.keys_on_disk)
        except Exception as error:  # I1: whatever happens, nothing is handed out and a record says why
            unforeseen = NotGranted(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
            decision = refuse(request, unforeseen, self._world.keys_on_disk)
        return decision._replace(elapsed_us=int((self._world.monotonic() - begun) * 1_000_000))

    def _judge(self, request: Request, deadline: Deadline) -> Decision:
        checks.require_user_name(request.user)
        self._require_user(request.user)
        self._world.hardware.require_ec2()
        remembered = self._remembered(request)
        if remembered is not None:
            return _decision(request, [remembered], Source.CACHE)
        try:
            return self._verified(request, deadline)
        except NotGranted as refusal:
            if refusal.reason not in _LIKE_ROTATION:
                raise
            return self._once_more(request, deadline, refusal)

    def _once_more(self, request: Request, deadline: Deadline, refusal: NotGranted) -> Decision:
        """What was read may stem from before and after a rotation of the signer: then all of it must be read anew."""
        try:
            return self._verified(request, deadline, anew=True)
        except NotGranted as again:
            raise refusal if again.reason.outcome is Outcome.ERROR else again from None

    def _remembered(self, request: Request) -> Optional[Grant]:
        """The key that sshd asks for, if it was granted a moment ago and may still log in."""
        if request.fingerprint is None:
            return None
        now = self._world.now()
        grant = self._memory.grant(request.user, request.fingerprint, now, self._world.monotonic())
        try:
            if grant is not None:
                checks.require_fresh(grant.block, now, self._config.keys)  # the clock may have been set back
            return grant
        except NotGranted:
            return None

    def _verified(self, request: Request, deadline: Deadline, anew: bool = False) -> Decision:
        blocks = self._pushed(request, deadline)
        instance_id = self._instance_id(deadline, anew)
        signer = self._signer(deadline, anew)
        granted, refusals = [], []
        for block in blocks:
            try:
                granted.append(self._grant(block, signer, instance_id, request.fingerprint))
            except NotGranted as refusal:
                refusals.append(refusal)
        if not granted:
            raise checks.most_telling(refusals)
        if deadline.remaining() <= 0:
            raise NotGranted(Reason.DEADLINE_EXCEEDED, "the answer came too late")
        self._memory.remember_grants(request.user, granted, self._world.now(), self._world.monotonic())
        return _decision(request, granted, Source.IMDS)

    def _grant(self, block: Block, signer: Signer, instance_id: str, fingerprint: Optional[str]) -> Grant:
        signer.verify(block)
        checks.require_instance(block, instance_id)
        checks.require_fresh(block, self._world.now(), self._config.keys)
        key = checks.key_of(block)
        checks.require_allowed(key, self._policy)
        checks.require_fingerprint(key, fingerprint)
        return Grant(block, key, instance_id)

    def _instance_id(self, deadline: Deadline, anew: bool) -> str:
        """The instance id that the hardware confirms: the remembered one, or (if `anew`) as it is told now."""
        instance_id = None if anew else self._memory.instance_id
        if instance_id is None:
            instance_id = self._world.imds.instance_id(deadline)
            self._world.hardware.require_instance(instance_id)
            self._memory.instance_id = instance_id
        return instance_id

    def _require_user(self, user: str) -> None:
        if not self._world.user_exists(user):
            raise NotGranted(Reason.USER_UNKNOWN, f"there is no OS user {user}")

    def _pushed(self, request: Request, deadline: Deadline) -> List[Block]:
        """The blocks worth verifying. Raises NotGranted if there are none: then nothing more need be asked for."""
        blob = self._world.imds.active_keys(request.user, deadline)
        if blob is None or not blob.strip():
            raise NotGranted(Reason.NO_ACTIVE_KEYS, "")
        blocks: List[Block] = []
        refusals: List[NotGranted] = []
        for lines in keyblob.split(blob):
            try:
                block = keyblob.parse(lines)
                if request.fingerprint is not None:
                    checks.require_fingerprint(checks.key_of(block), request.fingerprint)
                blocks.append(block)
            except keyblob.MalformedBlock as problem:
                refusals.append(NotGranted(Reason.BLOCK_MALFORMED, str(problem)))
            except NotGranted as refusal:
                refusals.append(refusal)
        if not blocks:
            raise checks.most_telling(refusals)
        return blocks

    def _signer(self, deadline: Deadline, anew: bool) -> Signer:
        """The verified signer: the remembered one, or (if `anew`, or it no longer holds) that of the present chain."""
        with self._memory.verifying(deadline):
            now = self._world.now()
            remembered = None if anew else self._memory.signer(now)
            if remembered is not None:
                return remembered
            pem = self._world.imds.signer_chain(deadline)
            return self._memory.signer(now, pem) or self._verify(pem, int(now), deadline, anew)

    def _verify(self, pem: bytes, now: int, deadline: Deadline, anew: bool) -> Signer:
        imds = self._world.imds
        remembered = None if anew else self._memory.place
        region, domain = place = remembered or self._place(deadline)
        signer = self._world.verifier().verify(pem, lambda: imds.staples(deadline), region, domain, now, deadline)
        self._memory.place = place  # only now that a signer of that place has proved it
        self._memory.remember_signer(pem, signer, now)
        return signer

    def _place(self, deadline: Deadline) -> Place:
        """Where IMDS says that this instance runs: in a region that the site allows, under that region's domain."""
        region = self._world.imds.region(deadline)
        checks.require_region(region, self._config.instance.region)
        return Place(region, self._world.imds.domain(region, deadline))


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


def _decision(request: Request, granted: Sequence[Grant], source: Source) -> Decision:
    latest: Dict[PublicKey, Block] = {}
    for one in sorted(granted, key=lambda one: one.block.timestamp):
        latest[one.key] = one.block
    blocks = latest.values()
    return Decision(
        request=request,
        reason=Reason.GRANTED,
        detail="",
        keys=tuple(latest),
        callers=_distinct(block.caller for block in blocks),
        request_ids=_distinct(block.request_id for block in blocks),
        expires=min(block.timestamp for block in blocks),
        instance_id=granted[0].instance_id,
        source=source,
    )


def _distinct(values: Iterable[Optional[str]]) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value is not None))


# What a rotation of the signer between two reads looks like, or a remembered fact that was wrong when it was read.
_LIKE_ROTATION = frozenset({
    Reason.INSTANCE_MISMATCH, Reason.BAD_SIGNATURE, Reason.SIGNER_NAME_MISMATCH, Reason.SIGNER_UNTRUSTED,
    Reason.STAPLE_MISSING, Reason.STAPLE_INVALID,
})  # fmt: skip
