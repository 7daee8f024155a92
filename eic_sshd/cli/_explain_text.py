# SPDX-License-Identifier: Apache-2.0
"""What `eic-sshd explain` prints for people: at most 80 columns, but for values that are longer."""

from __future__ import annotations

import math
import textwrap
from typing import Callable, Iterator, List, Sequence

from ..decide.explanation import BlockResult, RuleResult
from ..decide.seen import utc
from ..log import record
from ..log.record import clean
from ..model.outcome import Outcome
from ._explain_json import Report, outcome, rule_name

Style = Callable[[str, str], str]
"""Gives (text, kind) in the style of that kind, as `output.style` names them."""
Show = Callable[[str], str]
"""Gives a text as it is to be printed, which may be redacted. It gets whole texts, before they are wrapped."""

_KINDS = {
    Outcome.GRANTED: "ok",
    Outcome.NONE: "warning",
    Outcome.REFUSED: "problem",
    Outcome.FALLBACK: "warning",
    Outcome.ERROR: "problem",
}
_COLUMNS = 79
_SEEN_COLUMN = 26


def lines(report: Report, style: Style, show: Show = str) -> Iterator[str]:
    """The lines of the report."""
    explanation = report.explanation
    decision = explanation.decision
    reason = decision.reason if explanation.refusal is None else explanation.refusal.reason
    yield style(show(record.sentence(decision)), _KINDS[decision.outcome])
    yield from wrapped(reason.meaning)
    yield from wrapped(reason.remedy)
    yield ""
    yield style(
        f"Rules of the login, as of {utc(explanation.now)}, decided as {show(clean(report.decided_as))}", "strong"
    )
    yield from rule_lines(explanation.rules, style, show)
    for number, block in enumerate(explanation.blocks, 1):
        yield ""
        yield from _block(block, f"Block {number} of {len(explanation.blocks)}", style, show)
    yield ""
    yield style("sshd gets", "strong")
    yield from _answer(report, show)
    yield ""
    yield from _times(report, style, show)
    if report.notes:
        yield ""
        yield style("Notes", "strong")
        for text in report.notes:
            yield from wrapped(show(clean(text)))


def rule_lines(results: Sequence[RuleResult], style: Style, show: Show = str) -> Iterator[str]:
    """A line for each rule, and more where what was seen is long."""
    for one in results:
        state = style(f"{one.state.value:<8}", one.state.value)
        first, *more = wrapped(show(clean(one.seen)), _SEEN_COLUMN) or [""]
        yield f"  {state} {int(one.rule)} {rule_name(one):<11}  {first.strip()}".rstrip()
        yield from more


def _block(result: BlockResult, title: str, style: Style, show: Show) -> Iterator[str]:
    block, key = result.block, result.key
    reason = "not judged" if result.reason is None else result.reason.word
    yield style(f"{title}: {reason}", "strong")
    if block is None:
        yield f"  {show(clean(result.detail))}"
        return
    if key is not None:
        yield f"  key      {show(clean(key.key_type))} {show(key.fingerprint)}"
    doubt = "" if result.is_verified else " (not verified)"
    if block.caller is not None:
        yield f"  caller   {show(clean(block.caller))}{doubt}"
    if block.request_id is not None:
        yield f"  request  {show(clean(block.request_id))}{doubt}"
    if result.reason is None:
        numbers = [int(one.rule) for one in result.rules]
        yield f"  {style('unknown ', 'unknown')} {min(numbers)} to {max(numbers)}: not checked"
    else:
        yield from rule_lines(result.rules, style, show)


def _answer(report: Report, show: Show) -> Iterator[str]:
    answer = report.explanation.decision.lines
    yield from (f"  {show(line)}" for line in answer)
    if report.runs_chained:
        yield "  the output of [chain] command, which explain does not run"
    elif not answer:
        yield "  nothing"


def _times(report: Report, style: Style, show: Show) -> Iterator[str]:
    """The steps, and the requests to IMDS below the step that made them."""
    steps, requests = report.explanation.steps, report.explanation.requests
    yield style(f"Time: {sum(step.seconds for step in steps) * 1000:.1f} ms", "strong")
    for at, step in enumerate(steps):
        yield f"  {step.seconds * 1000:8.1f} ms  {step.name}"
        end = steps[at + 1].begun if at + 1 < len(steps) else math.inf
        for request in requests:
            if step.begun <= request.begun < end:
                made = f"{request.seconds * 1000:.1f} ms {show(clean(request.path))} ({outcome(request)})"
                yield style(f"               {made}", "faint")


def wrapped(text: str, indent: int = 2) -> List[str]:
    """The lines of `text`, each after `indent` blanks."""
    margin = " " * indent
    return textwrap.wrap(
        text,
        _COLUMNS,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
