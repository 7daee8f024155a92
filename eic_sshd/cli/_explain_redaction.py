# SPDX-License-Identifier: Apache-2.0
"""What an explanation names, for `explain --redact`: each value by what it is, as it was before it was shortened."""

from __future__ import annotations

from ..model.redaction import Redaction
from ._explain_caller import CallerReport
from ._explain_json import Report


def redaction_of(report: Report) -> Redaction:
    """Replaces what `report` names."""
    decision, blocks = report.explanation.decision, report.explanation.blocks
    redaction = Redaction(decision.invocation.user)
    redaction.know("user", report.decided_as)
    redaction.know("fingerprint", decision.invocation.fingerprint, *(key.fingerprint for key in decision.keys))
    redaction.know("caller", *decision.callers)
    redaction.know("request", *decision.request_ids)
    for block in (one.block for one in blocks if one.block is not None):
        redaction.know("caller", block.caller)
        redaction.know("request", block.request_id)
        redaction.know("instance", block.instance)
    redaction.know("fingerprint", *(one.key.fingerprint for one in blocks if one.key is not None))
    return redaction


def redaction_of_caller(report: CallerReport) -> Redaction:
    """Replaces what `report` names."""
    redaction = Redaction(report.explanation.account.user)
    redaction.know("caller", report.explanation.caller)
    for one in report.explanation.policies:
        redaction.know("caller", *one.patterns)
    return redaction
