# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from eic_sshd.model.outcome import Outcome
from eic_sshd.model.reasons import Reason
from eic_sshd.model.verdict import Rule, Verdict, broken_rule


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        (Reason.USER_NAME_INVALID, Rule.USER_NAME),
        (Reason.NOT_EC2, Rule.HARDWARE),
        (Reason.SIGNER_NAME_MISMATCH, Rule.SIGNER),
        (Reason.SIGNER_REVOKED, Rule.SIGNER),
        (Reason.BAD_SIGNATURE, Rule.SIGNATURE),
        (Reason.INSTANCE_MISMATCH, Rule.INSTANCE),
        (Reason.EXPIRED, Rule.TIME),
        (Reason.EXPIRY_BEYOND_WINDOW, Rule.TIME),
        (Reason.KEY_TYPE_FORBIDDEN, Rule.KEY),
        (Reason.FINGERPRINT_MISMATCH, Rule.FINGERPRINT),
        (Reason.GRANTED, None),
        (Reason.IMDS_UNREACHABLE, None),
    ],
)
def test_verdict_names_the_rule_that_its_reason_is_about(reason: Reason, rule: Rule) -> None:
    assert Verdict(None, reason, "").rule is rule


def test_every_refusal_but_that_of_a_malformed_block_breaks_a_rule() -> None:
    refusals = {reason for reason in Reason if reason.outcome is Outcome.REFUSED}
    assert {reason for reason in refusals if broken_rule(reason) is None} == {Reason.BLOCK_MALFORMED}
    others = {reason for reason in set(Reason) - refusals if broken_rule(reason) is not None}
    assert others == {Reason.USER_SKIPPED}  # no refusal: the site wants no pushed key for this user
