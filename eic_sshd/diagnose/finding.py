# SPDX-License-Identifier: Apache-2.0
"""A fact about this machine that its administrator should know, as a value that every subcommand can use."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Iterable

from ..host.errors import MachineError, message


class Severity(enum.Enum):
    """How much of what was configured does not work.

    PROBLEM: pushed keys do not work as configured. WARNING: eic-sshd is installed correctly, and a setting of the site
    denies pushed keys, or it may. UNKNOWN: it could not be found out, which counts as a warning. OK: nothing to do.
    """

    PROBLEM = "problem"
    WARNING = "warning"
    UNKNOWN = "unknown"
    OK = "ok"


@dataclass(frozen=True)
class Finding:
    """One fact about the machine, for people and for programs.

    `code` is a stable word for programs, in kebab case; `subject` a path, FILE:LINE, unit or setting; `problem` a
    clause about it with the value seen; `remedy` sentences without the last full stop, empty if none is known. Where
    one command corrects it, the remedy begins with "Run `COMMAND`".
    """

    code: str
    severity: Severity
    subject: str
    problem: str
    remedy: str = ""

    def text(self) -> str:
        """The line for a person: `subject: problem. Remedy.`."""
        return message(self.subject, self.problem, self.remedy)

    @property
    def command(self) -> str:
        """The command that corrects it; empty if there is none."""
        found = re.match(r"Run `([^`]+)`", self.remedy)
        return found.group(1) if found else ""


def error(code: str, subject: str, problem: str, remedy: str = "") -> Finding:
    """A finding of the severity PROBLEM."""
    return Finding(code, Severity.PROBLEM, subject, problem, remedy)


def warning(code: str, subject: str, problem: str, remedy: str = "") -> Finding:
    """A finding of the severity WARNING."""
    return Finding(code, Severity.WARNING, subject, problem, remedy)


def unknown(code: str, subject: str, problem: str, remedy: str = "") -> Finding:
    """A finding of the severity UNKNOWN."""
    return Finding(code, Severity.UNKNOWN, subject, problem, remedy)


def ok(code: str, subject: str, problem: str) -> Finding:
    """A finding of the severity OK: `problem` says what is in order."""
    return Finding(code, Severity.OK, subject, problem)


def from_machine_error(code: str, raised: MachineError) -> Finding:
    """What was `raised`, as a finding of the severity PROBLEM."""
    return error(code, raised.subject, raised.problem, raised.remedy)


def exit_status(fail_on: str, findings: Iterable[Finding]) -> int:
    """1 if there is a finding of at least the severity `fail_on` (`problem` or `warning`), or else 0."""
    fatal = {Severity.PROBLEM} if fail_on == "problem" else {Severity.PROBLEM, Severity.WARNING, Severity.UNKNOWN}
    return int(any(finding.severity in fatal for finding in findings))
