# SPDX-License-Identifier: Apache-2.0
"""The text for people, and what is styled in it."""

from __future__ import annotations

from typing import List, Tuple

from eic_sshd.cli import _explain_text
from eic_sshd.cli._explain_json import Report
from eic_sshd.decide.explanation import Explanation, RuleResult, State, Step
from eic_sshd.imds.capture import Answer, Request
from eic_sshd.invocation import Invocation
from eic_sshd.model.decision import Decision
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.verdict import Rule

REFUSAL = NotGranted(Reason.NO_ACTIVE_KEYS, "")


def report(requests: Tuple[Request, ...] = ()) -> Report:
    explanation = Explanation(
        Decision(Invocation("root", begun=0.0), REFUSAL.reason, ""), REFUSAL, 0.0,
        (RuleResult(Rule.USER, State.OK, ""), RuleResult(Rule.HARDWARE, State.PROBLEM, "word " * 30)), (),
        (Step("first", 0.0, 1.0), Step("second", 1.0, 0.5)), (),
    )  # fmt: skip
    return Report(explanation._replace(requests=requests), "eic-sshd", False, ("a note",))


def lines(found: Report) -> List[str]:
    return list(_explain_text.lines(found, lambda text, kind: text))


def test_each_state_has_its_style() -> None:
    styled: List[Tuple[str, str]] = []

    def styled_as(text: str, kind: str) -> str:
        styled.append((text.strip(), kind))
        return text

    list(_explain_text.lines(report(), styled_as))
    assert ("ok", "ok") in styled
    assert ("problem", "problem") in styled
    assert styled[0][1] == "warning"  # no key is pushed


def test_what_was_seen_is_wrapped_below_itself() -> None:
    first, second = [line for line in lines(report()) if "word" in line][:2]
    assert first.startswith("  problem  2 hardware     word word")
    assert second.startswith(" " * 26 + "word")
    assert max(len(first), len(second)) <= 79


def test_rule_without_words_has_none() -> None:
    assert "  ok       0 user" in lines(report())


def test_each_request_is_below_the_step_that_made_it() -> None:
    requests = tuple(Request(path, Answer(None), begun, 0.25) for path, begun in (("a", 0.0), ("b", 1.0), ("c", 9.0)))
    found = lines(report(requests=requests))
    assert found[found.index("Time: 1500.0 ms") + 1 :][:5] == [
        "    1000.0 ms  first",
        "               250.0 ms a (nothing)",
        "     500.0 ms  second",
        "               250.0 ms b (nothing)",
        "               250.0 ms c (nothing)",
    ]


def test_notes_are_the_last() -> None:
    assert lines(report())[-2:] == ["Notes", "  a note"]
