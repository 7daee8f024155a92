# SPDX-License-Identifier: Apache-2.0
"""A decision with all that led to it: each rule with what was seen, for the login and for each block, and the times.

The rules and their numbers are those of `Rule`; what a block breaks is in its `Verdict`. The authorizer decides twice:
once as sshd would ask, and where sshd names a fingerprint once more for any key, on the same answers of IMDS, to judge
the blocks that carry other keys.
"""

from __future__ import annotations

import enum
from typing import List, Optional, Sequence, Tuple

from ..config.schema import Config
from ..imds.capture import RecordingImds, Request
from ..invocation import Invocation
from ..model.decision import Decision
from ..model.public_key import PublicKey
from ..model.reasons import NotGranted, Reason
from ..model.signed_key import Block
from ..model.value import Value
from ..model.verdict import Rule, Verdict, broken_rule
from . import checks, pushed
from .authorizer import Authorizer
from .cache import Cache
from .dependencies import Dependencies
from .seen import BlockFacts, Facts, Seen, of_block, of_login

# The rules from that of the signature on are about each block, those before it about the login.
_RULES_OF_LOGIN = tuple(rule for rule in Rule if rule < Rule.SIGNATURE)
_RULES_OF_BLOCK = tuple(rule for rule in Rule if rule >= Rule.SIGNATURE)
_NOT_CHECKED = "not checked"
_OTHER_KEY = "this is another key than the one that the client offers"


class State(enum.Enum):
    """Whether a rule holds: WARNING where the configuration weakens it, UNKNOWN where it was not checked."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


class RuleResult(Value):
    """Whether a rule holds, and what was seen of it."""

    rule: Rule
    state: State
    seen: str


class BlockResult(Value):
    """One pushed block. `block` is None where it is malformed, `reason` None where it was not judged."""

    block: Optional[Block]
    key: Optional[PublicKey]
    reason: Optional[Reason]
    detail: str
    rules: Tuple[RuleResult, ...]

    @property
    def is_verified(self) -> bool:
        """Whether the signer signed the block, so that what it says of its caller is true."""
        return any(one.rule is Rule.SIGNATURE and one.state is State.OK for one in self.rules)


class Step(Value):
    """What the decision was busy with, from when on (by the monotonic clock), and for how many seconds."""

    name: str
    begun: float
    seconds: float


class Explanation(Value):
    """A decision, made at `now` (seconds since the epoch), and what led to it.

    `refusal` is why no pushed key was granted, also where keys on disk were.
    """

    decision: Decision
    refusal: Optional[NotGranted]
    now: float
    rules: Tuple[RuleResult, ...]
    blocks: Tuple[BlockResult, ...]
    steps: Tuple[Step, ...]
    requests: Tuple[Request, ...]


def explain(config: Config, invocation: Invocation, dependencies: Dependencies, imds: RecordingImds) -> Explanation:
    """Decide on `invocation`, and explain the decision. `imds` takes the place of the dependencies' own."""
    now = dependencies.now()
    authorizer = _Watched(config, dependencies._replace(imds=imds, now=lambda: now))
    asked = authorizer.watch(invocation)
    requests, steps = tuple(imds.requests), authorizer.steps()
    passes = [asked]
    if invocation.fingerprint is not None and requests:
        imds.repeat()
        passes.append(authorizer.watch(_for_any_key(invocation, dependencies.monotonic())))
    facts = Facts(config, invocation, authorizer.cache, dependencies.hardware, now, dependencies.monotonic())
    return Explanation(
        decision=asked.decision,
        refusal=asked.refusal,
        now=now,
        rules=_rules_of_login(facts, [one.refusal for one in passes if one.refusal is not None], bool(requests)),
        blocks=_blocks(facts, passes) or _unjudged_blocks(imds),
        steps=steps,
        requests=requests,
    )


def explain_refusal(decision: Decision, refusal: NotGranted, now: float) -> Explanation:
    """The explanation of a decision that was made before IMDS was read, because of `refusal`."""
    broken = broken_rule(refusal.reason)
    rules = tuple(_result(rule, None, broken, refusal.detail) for rule in _RULES_OF_LOGIN)
    return Explanation(decision, refusal, now, rules, (), (), ())


class _Pass(Value):
    """One decision of the authorizer; `is_anchored` is whether the blocks were judged by a verified signer."""

    decision: Decision
    refusal: Optional[NotGranted]
    is_anchored: bool


class _Watched(Authorizer):
    """An authorizer with an empty cache of its own, which notes its steps and why it granted nothing."""

    def __init__(self, config: Config, dependencies: Dependencies) -> None:
        self.cache = Cache()
        self._refusal: Optional[NotGranted] = None
        self._now, self._monotonic = dependencies.now, dependencies.monotonic
        self._begun: List[Tuple[str, float]] = [("checking the user", self._monotonic())]
        keys_on_disk = dependencies.keys_on_disk

        def watched(user: str, fingerprint: Optional[str], refusal: NotGranted) -> Tuple[PublicKey, ...]:
            self._refusal = refusal
            return keys_on_disk(user, fingerprint, refusal)

        super().__init__(config, dependencies._replace(keys_on_disk=watched), self.cache)

    def watch(self, invocation: Invocation) -> _Pass:
        """Decide on `invocation`."""
        self._refusal = None
        decision = self.decide(invocation)
        is_anchored = self.cache.signer(self._now(), self._monotonic()) is not None
        return _Pass(decision, self._refusal, is_anchored)

    def steps(self) -> Tuple[Step, ...]:
        """The steps until now, in their order."""
        ends = [*(begun for _, begun in self._begun[1:]), self._monotonic()]
        return tuple(Step(name, begun, end - begun) for (name, begun), end in zip(self._begun, ends))

    def _report(self, step: str) -> None:
        super()._report(step)
        self._begun.append((step, self._monotonic()))


def _for_any_key(invocation: Invocation, begun: float) -> Invocation:
    return Invocation(invocation.user, None, invocation.sshd_pid, begun=begun, tokens=invocation.tokens)


def _rules_of_login(facts: Facts, refusals: Sequence[NotGranted], was_read: bool) -> Tuple[RuleResult, ...]:
    """The rules before those of blocks. `was_read` is whether IMDS was requested, which is after some of them."""
    held = -1
    if was_read:
        held = Rule.HARDWARE
    if facts.cache.signer(facts.now, facts.monotonic) is not None:
        held = Rule.SIGNER
    broken, detail = None, ""
    for refusal in reversed(refusals):
        if broken_rule(refusal.reason) in _RULES_OF_LOGIN:
            broken, detail = broken_rule(refusal.reason), refusal.detail
    if broken is not None:
        held = broken - 1
    return tuple(
        _result(rule, of_login(rule, facts) if rule <= held else None, broken, detail) for rule in _RULES_OF_LOGIN
    )


def _blocks(facts: Facts, passes: Sequence[_Pass]) -> Tuple[BlockResult, ...]:
    """Each judged block: by the pass that asked as sshd does, or by the pass for any key if only that judged it."""
    first, last = passes[0], passes[-1]
    judged = first.decision.verdicts if first.is_anchored else ()
    asked = {verdict.block: verdict for verdict in judged if verdict.block is not None}
    found = [
        verdict if verdict.block is None else asked.pop(verdict.block, verdict) for verdict in last.decision.verdicts
    ]
    verdicts = (*found, *asked.values()) if found else first.decision.verdicts
    return tuple(
        _block_result(facts, _with_fingerprint(verdict, facts.invocation.fingerprint), last.is_anchored)
        for verdict in verdicts
    )


def _with_fingerprint(verdict: Verdict, fingerprint: Optional[str]) -> Verdict:
    """The verdict where sshd asks for the key with `fingerprint`, given that where it asks for any key."""
    if verdict.block is None or (verdict.rule is not None and verdict.rule < Rule.FINGERPRINT):
        return verdict
    try:
        checks.require_fingerprint(checks.key_of(verdict.block), fingerprint)
    except NotGranted as refusal:
        return Verdict(verdict.block, refusal.reason, _OTHER_KEY)
    return verdict


def _block_result(facts: Facts, verdict: Verdict, is_anchored: bool) -> BlockResult:
    block, broken = verdict.block, verdict.rule
    if block is None:
        return BlockResult(None, None, verdict.reason, verdict.detail, ())
    seen = BlockFacts(block, _key_of(block), verdict.policies, facts)
    results = []
    for rule in _RULES_OF_BLOCK:
        held = is_anchored and (broken is None or rule < broken)
        results.append(_result(rule, of_block(rule, seen) if held else None, broken, verdict.detail))
    if broken is None and verdict.reason is not Reason.GRANTED:  # the last rule could not be checked
        results[-1] = RuleResult(_RULES_OF_BLOCK[-1], State.UNKNOWN, verdict.detail)
    return BlockResult(block, seen.key, verdict.reason, verdict.detail, tuple(results))


def _unjudged_blocks(imds: RecordingImds) -> Tuple[BlockResult, ...]:
    """The blocks that IMDS gave, where the decision ended before it judged any."""
    answers = [answer.body for path, answer in imds.answers.items() if "/active-keys/" in path]
    try:
        found = pushed.read(answers[0] or b"" if answers else b"", None)
    except NotGranted:
        return ()
    unknown = tuple(RuleResult(rule, State.UNKNOWN, _NOT_CHECKED) for rule in _RULES_OF_BLOCK)
    return (
        *(BlockResult(None, None, verdict.reason, verdict.detail, ()) for verdict in found.malformed),
        *(BlockResult(block, _key_of(block), None, "", unknown) for block in found.blocks),
    )


def _result(rule: Rule, seen: Optional[Seen], broken: Optional[Rule], detail: str) -> RuleResult:
    """The result for `rule`: `seen` if it holds; `detail` if it is the broken one."""
    if seen is not None:
        return RuleResult(rule, State.WARNING if seen.is_weak else State.OK, seen.text)
    if rule is broken:
        return RuleResult(rule, State.PROBLEM, detail)
    return RuleResult(rule, State.UNKNOWN, _NOT_CHECKED)


def _key_of(block: Block) -> Optional[PublicKey]:
    try:
        return checks.key_of(block)
    except NotGranted:
        return None
