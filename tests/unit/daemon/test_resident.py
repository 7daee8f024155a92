# SPDX-License-Identifier: Apache-2.0
"""Which decisions the daemon leaves to the client, which may reach a directory that its sandbox cannot."""

from __future__ import annotations

from typing import Sequence

import pytest

from eic_sshd.daemon.resident import _is_by_groups
from eic_sshd.invocation import Invocation
from eic_sshd.model.decision import Decision
from eic_sshd.model.reasons import Reason
from eic_sshd.model.verdict import Verdict


@pytest.mark.parametrize(
    ("reason", "of_blocks", "is_left"),
    [
        (Reason.GROUPS_UNKNOWN, [Reason.GROUPS_UNKNOWN], True),
        (Reason.USER_GROUPS_UNKNOWN, [], True),
        (Reason.SKIP_GROUPS_UNKNOWN, [], True),
        (Reason.FALLBACK_FILE, [Reason.EXPIRED, Reason.GROUPS_UNKNOWN], True),
        (Reason.FALLBACK_FILE, [Reason.CALLER_FORBIDDEN], False),
        (Reason.FALLBACK_FILE, [], False),
        (Reason.GRANTED, [Reason.GROUPS_UNKNOWN, Reason.GRANTED], False),
        (Reason.USER_FORBIDDEN, [], False),
    ],
)
def test_decision_by_unknown_groups_is_left_to_the_client(
    reason: Reason, of_blocks: Sequence[Reason], is_left: bool
) -> None:
    verdicts = tuple(Verdict(None, one, "") for one in of_blocks)
    assert _is_by_groups(Decision(Invocation("a", None, begun=0.0), reason, "", verdicts=verdicts)) is is_left
