# SPDX-License-Identifier: Apache-2.0
"""What `eic-sshd explain --json` prints: docs/explain.md has the form, which only ever gets more members."""

from __future__ import annotations

from typing import Dict, List, Tuple

from ..decide.explanation import BlockResult, Explanation, RuleResult
from ..decide.seen import utc
from ..imds.capture import Request
from ..imds.saved import LAST_SECOND
from ..log.record import clean
from ..model.value import Value
from ..model.verdict import broken_rule

VERSION = 1

Json = Dict[str, object]


class Report(Value):
    """An explanation; the user whose rights the decision had; whether the chained command would run; and notes."""

    explanation: Explanation
    decided_as: str
    runs_chained: bool
    notes: Tuple[str, ...]


def document(report: Report, is_redacted: bool = False) -> Json:
    """The report, of the types of JSON."""
    explanation = report.explanation
    decision, refusal = explanation.decision, explanation.refusal
    reason = decision.reason if refusal is None else refusal.reason
    rule = broken_rule(reason)
    return {
        "version": VERSION,
        "redacted": is_redacted,
        "as_of": utc(explanation.now),
        "decided_as": clean(report.decided_as),
        "user": clean(decision.invocation.user),
        "fingerprint": None if decision.invocation.fingerprint is None else clean(decision.invocation.fingerprint),
        "decision": decision.outcome.value,
        "reason": reason.word,
        "rule": None if rule is None else int(rule),
        "detail": clean(decision.detail),
        "meaning": reason.meaning,
        "remedy": reason.remedy,
        "sshd_gets": decision.lines,
        "chained_command": report.runs_chained,
        "rules": rules_of(explanation.rules),
        "blocks": [_block(block) for block in explanation.blocks],
        "steps": [{"step": step.name, "ms": _milliseconds(step.seconds)} for step in explanation.steps],
        "requests": [_request(request) for request in explanation.requests],
        "notes": [clean(text) for text in report.notes],
    }


def rule_name(result: RuleResult) -> str:
    """The name of the rule, in words."""
    return result.rule.name.lower().replace("_", " ")


def rules_of(results: Tuple[RuleResult, ...]) -> List[Json]:
    """The rules, of the types of JSON."""
    return [
        {"rule": int(one.rule), "name": rule_name(one), "state": one.state.value, "seen": clean(one.seen)}
        for one in results
    ]


def _block(result: BlockResult) -> Json:
    block, key = result.block, result.key
    rule = None if result.reason is None else broken_rule(result.reason)
    return {
        "reason": None if result.reason is None else result.reason.word,
        "rule": None if rule is None else int(rule),
        "detail": clean(result.detail),
        "is_verified": result.is_verified,
        "key_type": None if key is None else clean(key.key_type),
        "fingerprint": None if key is None else key.fingerprint,
        "caller": None if block is None or block.caller is None else clean(block.caller),
        "request_id": None if block is None or block.request_id is None else clean(block.request_id),
        "instance_id": None if block is None else clean(block.instance),
        "expires": None if block is None or block.timestamp > LAST_SECOND else utc(block.timestamp),
        "rules": rules_of(result.rules),
    }


def _request(request: Request) -> Json:
    refusal, body = request.answer.refusal, request.answer.body
    return {
        "path": clean(request.path),
        "result": outcome(request),
        "bytes": None if body is None else len(body),
        "detail": "" if refusal is None else clean(refusal.detail),
        "ms": _milliseconds(request.seconds),
    }


def outcome(request: Request) -> str:
    """What the request led to: `body`, `nothing` (404), or the word of a reason."""
    if request.answer.refusal is not None:
        return request.answer.refusal.reason.word
    return "nothing" if request.answer.body is None else "body"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
