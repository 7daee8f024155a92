# SPDX-License-Identifier: Apache-2.0
"""A fact about this machine that its administrator should know, as a value that every subcommand can use."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..host.errors import MachineError, message


class Severity(enum.Enum):
    """How much of what was configured does not work.

    ERROR: pushed keys do not work as configured. WARNING: eic-sshd is installed correctly, and a setting of the site
    denies pushed keys. INFO: nothing to do.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One fact about the machine, for people and for programs.

    `code` is a stable word for programs, in kebab case; `subject` a path, FILE:LINE, unit or setting; `problem` a
    clause about it with the value seen; `remedy` sentences without the last full stop, empty if none is known.
    """

    code: str
    severity: Severity
    subject: str
    problem: str
    remedy: str = ""

    def text(self) -> str:
        """The line for a person: `subject: problem. Remedy.`."""
        return message(self.subject, self.problem, self.remedy)


def error(code: str, subject: str, problem: str, remedy: str = "") -> Finding:
    """A finding of the severity ERROR."""
    return Finding(code, Severity.ERROR, subject, problem, remedy)


def warning(code: str, subject: str, problem: str, remedy: str = "") -> Finding:
    """A finding of the severity WARNING."""
    return Finding(code, Severity.WARNING, subject, problem, remedy)


def from_machine_error(code: str, raised: MachineError) -> Finding:
    """What was `raised`, as a finding of the severity ERROR."""
    return error(code, raised.subject, raised.problem, raised.remedy)
