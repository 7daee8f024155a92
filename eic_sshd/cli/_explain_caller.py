# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd explain --caller ARN USER`: who may be whom, without a pushed key and without IMDS."""

from __future__ import annotations

from typing import ContextManager, Iterator, Optional, Tuple

from ..config.loader import load_or_refuse
from ..decide.caller_explanation import CallerExplanation, explain_caller, not_explained
from ..decide.policy import Account
from ..host import accounts
from ..host.groups import Groups
from ..log.record import clean
from ..model.outcome import Outcome
from ..model.value import Value
from ..model.verdict import broken_rule
from ._explain_json import VERSION, Json, rules_of
from ._explain_login import ReadCommand, as_sshd_asks, login_now, sshd_command
from ._explain_text import Show, Style, rule_lines, wrapped


class CallerReport(Value):
    """An explanation, and notes on what could not be found out."""

    explanation: CallerExplanation
    notes: Tuple[str, ...]


def answer(
    caller: str,
    user: str,
    config_file: Optional[str],
    deciding: ContextManager[None],
    read_command: ReadCommand = sshd_command,
) -> CallerReport:
    """Whether `caller` may log in as `user` on this machine, decided in the context `deciding`."""
    login = as_sshd_asks(login_now(user), load_or_refuse(config_file)[0], read_command)
    account = Account(user, login.uid, accounts.uid_min())
    with deciding:
        config, refusal = load_or_refuse(config_file)
        if refusal is not None:
            return CallerReport(not_explained(caller, account, refusal), login.notes)
        return CallerReport(explain_caller(config, caller, account, Groups().of), login.notes)


def document(report: CallerReport, is_redacted: bool = False) -> Json:
    """The report, of the types of JSON: docs/explain.md has the form."""
    explanation = report.explanation
    refusal = explanation.refusal
    rule = None if refusal is None else broken_rule(refusal.reason)
    return {
        "version": VERSION,
        "redacted": is_redacted,
        "caller": clean(explanation.caller),
        "user": clean(explanation.account.user),
        "uid": explanation.account.uid,
        "decision": "allowed" if refusal is None else refusal.reason.outcome.value,
        "reason": None if refusal is None else refusal.reason.word,
        "rule": None if rule is None else int(rule),
        "detail": "" if refusal is None else clean(refusal.detail),
        "meaning": "" if refusal is None else refusal.reason.meaning,
        "remedy": "" if refusal is None else refusal.reason.remedy,
        "rules": rules_of(explanation.rules),
        "policies": [
            {
                "policy": clean(one.name), "state": one.state.value, "callers": list(one.patterns),
                "seen": clean(one.seen),
            }
            for one in explanation.policies
        ],
        "notes": [clean(text) for text in report.notes],
    }  # fmt: skip


def lines(report: CallerReport, style: Style, show: Show = str) -> Iterator[str]:
    """The lines of the report for people."""
    explanation = report.explanation
    refusal = explanation.refusal
    caller, user = show(clean(explanation.caller)), show(clean(explanation.account.user))
    if refusal is None:
        yield style(f"a key that {caller} pushes may log in as {user}, if the other rules hold", "ok")
    else:
        verb = "cannot be decided on" if refusal.reason.outcome is Outcome.ERROR else "does not log in"
        sentence = (
            f"a key that {caller} pushes for {user} {verb}: {show(clean(refusal.detail))} ({refusal.reason.word})"
        )
        yield style(sentence, "problem")
        yield from wrapped(refusal.reason.meaning)
        yield from wrapped(refusal.reason.remedy)
    yield ""
    yield style("Rules that need no pushed key", "strong")
    yield from rule_lines(explanation.rules, style, show)
    if explanation.policies:
        yield ""
        yield style("Policies", "strong")
    for one in explanation.policies:
        yield f"  {style(f'{one.state.value:<8}', one.state.value)} {show(clean(one.name))}"
        yield from wrapped(show(clean(one.seen)), 11)
        yield from (f"           {show(pattern)}" for pattern in one.patterns)
    if report.notes:
        yield ""
        yield style("Notes", "strong")
        for text in report.notes:
            yield from wrapped(show(clean(text)))
