# SPDX-License-Identifier: Apache-2.0
"""An error of this machine, as a message for its administrator."""

from __future__ import annotations


def message(subject: str, problem: str, remedy: str = "") -> str:
    """`subject: problem. Remedy.`; without the remedy if there is none."""
    return f"{subject}: {problem}." + (f" {remedy}." if remedy else "")


class MachineError(Exception):
    """A program, a file or sshd itself prevents what was requested; the message names it, and the remedy if known."""

    def __init__(self, subject: str, problem: str, remedy: str = "") -> None:
        super().__init__(message(subject, problem, remedy))
        self.subject = subject
        self.problem = problem
        self.remedy = remedy
