# SPDX-License-Identifier: Apache-2.0
"""One decision from start to end: which pushed keys, if any, may log in as this user.

A key is granted only if all of these hold. The code that checks a rule has its number.

0. `[users]` lets eic-sshd answer for this user.
1. EC2 Instance Connect can carry the user's name.
2. This is EC2 hardware, and the instance that IMDS names.
3. The signer's name, fitness, chain and staples verify.
4. The signer signed the key's block.
5. The block was signed for this instance.
6. The block is valid now, and for no longer than a push makes it.
7. The key is one whole OpenSSH public key of an allowed type and length.
8. The key has the fingerprint that sshd named, if it named one.
9. A `[policy]`, if there is one, lets the caller who pushed it log in as this user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..config.schema import Config
from ..host import libraries
from ..invocation import Invocation
from ..model.deadline import Deadline
from ..model.decision import Decision, Source
from ..model.os_users import GroupsOf
from ..model.public_key import PublicKey
from ..model.reasons import NotGranted, Reason
from ..model.signed_key import Block
from ..model.verdict import Verdict
from . import checks, policy, pushed
from .cache import Cache, Grant, GrantedBlock
from .fallback import KeysOnDisk, NoKeys
from .signer_source import Anchor, ReadAnchor, SignerSource

if TYPE_CHECKING:
    from .dependencies import Dependencies


_ABOUT_CALLERS = frozenset(
    {Reason.CALLER_FORBIDDEN, Reason.CALLER_MALFORMED, Reason.CALLER_MISSING, Reason.GROUPS_UNKNOWN}
)


class Authorizer:
    """Decides by `config`, with `dependencies`; what `cache` holds is not read again.

    One thread at a time uses it; several may share a cache. `step` is what the decision under way waits for.
    """

    def __init__(self, config: Config, dependencies: Dependencies, cache: Optional[Cache] = None) -> None:
        self._config = config
        self._dependencies = dependencies
        self._cache = cache or Cache()
        self._signers = SignerSource(config, dependencies, self._cache, self._report)
        self.step = "it had not begun"

    def decide(self, invocation: Invocation, deadline: Optional[Deadline] = None) -> Decision:
        """The decision, by `deadline` (None: as the configuration sets it, from when the invocation began).

        Raises nothing: an unforeseen error is Reason.INTERNAL_ERROR.
        """
        if deadline is None:
            deadline = Deadline(invocation.begun + self._config.decision_deadline, self._dependencies.monotonic)
        try:
            decision = self._decide(invocation, deadline)
        except NotGranted as refusal:
            decision = refuse(invocation, refusal, self._dependencies.keys_on_disk)
        except ImportError as error:  # some libraries load parts of theirs when these are first used
            decision = refuse(invocation, libraries.unusable(error), self._dependencies.keys_on_disk)
        except Exception as error:  # I1: whatever happens, nothing is printed and a record has the reason
            unforeseen = NotGranted(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
            decision = refuse(invocation, unforeseen, self._dependencies.keys_on_disk)
        return self._timed(decision)

    def cached(self, invocation: Invocation) -> Optional[Decision]:
        """The decision, if the key that sshd named was granted before and may still log in; waits for nothing.

        None where `decide` has to make the decision. Raises nothing.
        """
        try:
            if self._stored_grant(invocation) is None:
                return None  # the usual case, so it is found out first
            groups_of = self._dependencies.groups.cached
            policy.require_user(invocation.user, self._config.users, groups_of)
            checks.require_user_name(invocation.user)
            self._dependencies.hardware.require_ec2()
            grant = self._cached_grant(invocation, groups_of)
        except Exception:  # `decide` meets the same error, and reports it
            return None
        return None if grant is None else self._timed(self._granted(invocation, [grant], Source.CACHE))

    def _decide(self, invocation: Invocation, deadline: Deadline) -> Decision:
        groups_of = self._dependencies.groups.of
        self._report("looking up the user's groups")
        policy.require_user(invocation.user, self._config.users, groups_of)  # 0
        checks.require_user_name(invocation.user)  # 1
        self._report("reading what hardware this is")
        self._dependencies.hardware.require_ec2()  # 2
        cached = self._cached_grant(invocation, groups_of)
        if cached is not None:
            return self._granted(invocation, [cached], Source.CACHE)
        return self._signers.judge(lambda read_anchor: self._decide_pushed(invocation, read_anchor, deadline))

    def _decide_pushed(self, invocation: Invocation, read_anchor: ReadAnchor, deadline: Deadline) -> Decision:
        self._report("reading the pushed keys from IMDS")
        blob = self._dependencies.imds.active_keys(invocation.user, deadline)
        self._report("reading the blocks of the pushed keys")
        found = pushed.read(blob or b"", invocation.fingerprint)
        del blob  # it may be large, and the next step may take a while
        anchor = read_anchor(deadline)  # 2, 3
        self._report("judging the pushed keys")
        verdicts = [*found.malformed, *(self._judge(block, anchor, invocation) for block in found.blocks)]
        grants = _grants(verdicts, anchor.instance_id)
        if not grants:
            raise checks.most_specific(verdicts, found.not_judged)
        if deadline.remaining() <= 0:
            raise NotGranted(Reason.DEADLINE_EXCEEDED, "the answer was ready too late", verdicts)
        for grant in grants:
            fingerprint = invocation.fingerprint or grant.key.fingerprint
            self._cache.store_grant(invocation.user, fingerprint, grant, self._dependencies.monotonic())
        decision = self._granted(invocation, grants, Source.IMDS)
        return decision._replace(detail=_not_granted(verdicts, found.not_judged), verdicts=tuple(verdicts))

    def _judge(self, block: Block, anchor: Anchor, invocation: Invocation) -> Verdict:
        keys = self._config.keys
        try:
            anchor.signer.verify(block)  # 4
            checks.require_instance(block, anchor.instance_id)  # 5
            now, monotonic = self._dependencies.now(), self._dependencies.monotonic()
            until = self._cache.block_end(block, monotonic, checks.seconds_valid(block, now, keys))
            checks.require_fresh(block, now, keys)  # 6, by the system clock
            checks.require_not_ended(until, monotonic)  # 6, by a clock that cannot be set
            key = checks.key_of(block)  # 7
            checks.require_allowed(key, keys.policy)  # 7
            checks.require_fingerprint(key, invocation.fingerprint)  # 8
            policies = self._policies_of(block, invocation, self._dependencies.groups.of)  # 9
        except NotGranted as refusal:
            return Verdict(block, refusal.reason, refusal.detail)
        return Verdict(block, Reason.GRANTED, "", key, until, policies)

    def _policies_of(self, block: Block, invocation: Invocation, groups_of: GroupsOf) -> Tuple[str, ...]:
        account = policy.Account(invocation.user, invocation.uid, self._dependencies.uid_min)
        return policy.policies_of(block.caller, account, self._config.policy, groups_of)

    def _cached_grant(self, invocation: Invocation, groups_of: GroupsOf) -> Optional[Grant]:
        """The key that sshd named, with those of its blocks that may still log in, if it was granted before."""
        grant = self._stored_grant(invocation)
        if grant is None:
            return None
        self._dependencies.hardware.require_instance(grant.instance_id)  # 2
        checks.require_fingerprint(grant.key, invocation.fingerprint)  # 8
        valid = tuple(self._still_valid(grant.blocks, invocation, groups_of))
        return grant._replace(blocks=valid) if valid else None

    def _stored_grant(self, invocation: Invocation) -> Optional[Grant]:
        if invocation.fingerprint is None:
            return None
        return self._cache.grant(invocation.user, invocation.fingerprint, self._dependencies.monotonic())

    def _still_valid(
        self, blocks: Sequence[GrantedBlock], invocation: Invocation, groups_of: GroupsOf
    ) -> Iterator[GrantedBlock]:
        for one in blocks:
            try:
                checks.require_fresh(one.block, self._dependencies.now(), self._config.keys)  # 6
                yield one._replace(policies=self._policies_of(one.block, invocation, groups_of))  # 9
            except NotGranted:  # the clock was set since, or the user's groups have changed
                continue

    def _granted(self, invocation: Invocation, grants: Sequence[Grant], source: Source) -> Decision:
        """Grants `grants`, the latest push first; every caller that pushed one of these keys is named."""
        latest = sorted(grants, key=lambda grant: -max(one.block.timestamp for one in grant.blocks))
        granted = sorted((one for grant in latest for one in grant.blocks), key=lambda one: -one.block.timestamp)
        return Decision(
            invocation,
            Reason.GRANTED,
            "",
            keys=tuple(grant.key for grant in latest),
            callers=_distinct(one.block.caller for one in granted),
            request_ids=_distinct(one.block.request_id for one in granted),
            policies=_distinct(name for one in granted for name in one.policies),
            expires=min(max(one.block.timestamp for one in grant.blocks) for grant in latest),
            instance_id=latest[0].instance_id,
            source=source,
            options=self._config.keys.options,
        )

    def _timed(self, decision: Decision) -> Decision:
        elapsed = self._dependencies.monotonic() - decision.invocation.begun
        return decision._replace(elapsed_us=int(elapsed * 1_000_000))

    def _report(self, step: str) -> None:
        self.step = step


def refuse(invocation: Invocation, refusal: NotGranted, keys_on_disk: KeysOnDisk) -> Decision:
    """The decision where no pushed key is granted: keys on disk if the site wants them, nothing otherwise."""
    try:
        keys = keys_on_disk(invocation.user, invocation.fingerprint, refusal)
    except NoKeys as problem:
        detail = "; ".join(text for text in (refusal.detail, str(problem)) if text)
    except Exception as error:  # the refusal holds, whatever is wrong with the fallback
        detail = f"{refusal.detail}; fallback: {type(error).__name__}: {error}"
    else:
        return Decision(
            invocation, Reason.FALLBACK_FILE, str(refusal), keys, source=Source.FILE, verdicts=refusal.verdicts
        )
    callers, request_ids = _refused_callers(refusal)
    return Decision(
        invocation, refusal.reason, detail, callers=callers, request_ids=request_ids, verdicts=refusal.verdicts
    )


def _not_granted(verdicts: Sequence[Verdict], not_judged: int) -> str:
    """What a grant's record says of other blocks: those that were refused because of who pushed them."""
    refused = [one.detail for one in verdicts if one.reason in _ABOUT_CALLERS]
    parts = [f"{len(refused)} more refused, first: {refused[0]}"] if refused else []
    parts += [f"{not_judged} more blocks not looked at"] if not_judged else []
    return "; ".join(parts)


def _refused_callers(refusal: NotGranted) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """The callers and request ids of blocks that were genuine, and refused because of who pushed them (rule 9)."""
    if refusal.reason not in _ABOUT_CALLERS:
        return (), ()
    refused = [one.block for one in refusal.verdicts if one.block is not None and one.reason in _ABOUT_CALLERS]
    return _distinct(block.caller for block in refused), _distinct(block.request_id for block in refused)


def _grants(verdicts: Iterable[Verdict], instance_id: str) -> List[Grant]:
    """The granted keys, each with every granted block that carries it."""
    blocks: Dict[PublicKey, List[GrantedBlock]] = {}
    for verdict in verdicts:
        if verdict.key is not None and verdict.block is not None:
            granted = GrantedBlock(verdict.block, verdict.until, verdict.policies)
            blocks.setdefault(verdict.key, []).append(granted)
    return [Grant(key, tuple(carriers), instance_id) for key, carriers in blocks.items()]


def _distinct(values: Iterable[Optional[str]]) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value is not None))
