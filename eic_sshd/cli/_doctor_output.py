# SPDX-License-Identifier: Apache-2.0
"""What `eic-sshd doctor` prints: lines for people, and JSON in the form that docs/doctor.md describes."""

from __future__ import annotations

import textwrap
from typing import Any, Dict, Iterator, List, TextIO

from .. import __version__
from ..diagnose.check import Result
from ..diagnose.finding import Finding, Severity
from ..diagnose.root_cause import Diagnosed, Diagnosis
from ..log.record import clean
from .output import style

_FORM = 1  # of the JSON; a program that knows this number understands it
_INDENT = " " * 9


def lines(diagnosis: Diagnosis, width: int, stream: TextIO) -> Iterator[str]:
    """The lines for `stream`, each of at most `width` characters but for commands, which are never broken."""
    for result in diagnosis.shown:
        yield from _finding(result, width, stream)
    yield ""
    yield from _summary(diagnosis, width)


def _finding(result: Result, width: int, stream: TextIO) -> Iterator[str]:
    finding = result.finding
    word = finding.severity.value
    subject = "" if finding.subject == result.check else f"{finding.subject}: "
    text = f"{result.check}: {clean(subject + finding.problem)}"
    first, *rest = _wrapped(text, width)
    yield f"{style(word, word, stream)}{' ' * (len(_INDENT) - len(word))}{first}"
    yield from (f"{_INDENT}{line}" for line in rest)
    yield from _remedy(finding, width, stream)


def _remedy(finding: Finding, width: int, stream: TextIO) -> Iterator[str]:
    """The remedy, and the command in it on a line of its own."""
    if finding.remedy != f"Run `{finding.command}`":
        yield from (f"{_INDENT}{line}" for line in _wrapped(f"{clean(finding.remedy)}.", width) if finding.remedy)
    if finding.command:
        yield f"{_INDENT}{style('fix:', 'strong', stream)} {clean(finding.command)}"


def _wrapped(text: str, width: int) -> List[str]:
    return textwrap.wrap(text, width - len(_INDENT), break_long_words=False, break_on_hyphens=False) or [""]


def _summary(diagnosis: Diagnosis, width: int) -> Iterator[str]:
    severities = [result.finding.severity for result in diagnosis.shown]
    counts = [_count(severities.count(one), one) for one in Severity if one in severities]
    text = ", ".join(counts)
    if diagnosis.number_hidden:
        text += f"; hidden, because they follow from these: {diagnosis.number_hidden}"
    cause = diagnosis.root_cause
    if cause is not None:
        text += f". Root cause: {cause.finding.code} ({cause.check})"
    yield from textwrap.wrap(f"{text}.", width)


def _count(number: int, severity: Severity) -> str:
    plural = "s" if number > 1 and severity in (Severity.PROBLEM, Severity.WARNING) else ""
    return f"{number} {severity.value}{plural}"


def as_json(diagnosis: Diagnosis, is_root: bool) -> Dict[str, Any]:
    """The diagnosis, of the types of JSON."""
    cause = diagnosis.root_cause
    severities = [result.finding.severity for result in diagnosis.shown]
    return {
        "form": _FORM,
        "version": __version__,
        "as_root": is_root,
        "status": next(severity.value for severity in Severity if severity in [*severities, Severity.OK]),
        "root_cause": None if cause is None else cause.finding.code,
        "findings": [_row(one) for one in diagnosis.results],
    }


def _row(one: Diagnosed) -> Dict[str, Any]:
    finding = one.result.finding
    return {
        "check": one.result.check,
        "code": finding.code,
        "status": finding.severity.value,
        "subject": clean(finding.subject),
        "problem": clean(finding.problem),
        "remedy": clean(finding.remedy),
        "command": clean(finding.command),
        "hidden_by": one.hidden_by,
    }
