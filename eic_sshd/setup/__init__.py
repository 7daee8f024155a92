# SPDX-License-Identifier: Apache-2.0
"""Adds eic-sshd to sshd's configuration, and removes it.

Only files of our own are written and removed; the site's own lines stay. sshd tests every change before it is reloaded,
and a change that sshd rejects is rolled back.
"""

from __future__ import annotations

from typing import Iterable

from ..diagnose.finding import Finding
from ..host.errors import MachineError


class SetupRefused(MachineError):
    """Nothing is changed, because of a finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.subject, finding.problem, finding.remedy)
        self.finding = finding


class SshdStillConfigured(SetupRefused):
    """Nothing is changed, and an sshd may go on running eic-sshd."""


class SshdNotListening(MachineError):
    """All changes are made, and an sshd that was reloaded does not listen."""


def refuse_on(findings: Iterable[Finding]) -> None:
    """Raises SetupRefused for the first of `findings`."""
    for finding in findings:
        raise SetupRefused(finding)
