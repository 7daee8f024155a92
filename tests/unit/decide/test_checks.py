# SPDX-License-Identifier: Apache-2.0
"""Each check of a pushed key by itself, at its very bounds."""

from __future__ import annotations

from typing import List, Optional

import pytest

from eic_sshd.config.schema import build
from eic_sshd.decide import checks
from eic_sshd.model.public_key import KeyPolicy, PublicKey, parse
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.model.signed_key import Block
from eic_sshd.model.verdict import Rule, Verdict, broken_rule
from testbed import keys

NOW = 1_000_000
INSTANCE = "i-0123456789abcdef0"
KEYS = build({}).keys
LONGEST = KEYS.window + KEYS.clock_skew


def block(timestamp: int = NOW + 60, instance: str = INSTANCE, key_line: bytes = b"") -> Block:
    return Block(timestamp, instance, None, None, key_line, b"", b"")


def reason(check: object, *arguments: object) -> Optional[Reason]:
    """Why `check` refuses these; None if it does not."""
    assert callable(check)
    try:
        check(*arguments)
    except NotGranted as refusal:
        return refusal.reason
    return None


@pytest.mark.parametrize(
    "other",
    ["i-0123456789abcdef", "i-0123456789abcdef00", "i-", "", "I-0123456789ABCDEF0", f" {INSTANCE}", f"{INSTANCE}\n"],
)
def test_block_for_another_instance_id_is_refused(other: str) -> None:
    assert reason(checks.require_instance, block(), INSTANCE) is None
    assert reason(checks.require_instance, block(instance=other), INSTANCE) is Reason.INSTANCE_MISMATCH


@pytest.mark.parametrize("region", ["us-west-2", "", "us-east-11", "us-east", "eu-central-1 us-east-1"])
def test_region_must_equal_one_that_the_site_allows(region: str) -> None:
    assert reason(checks.require_region, "us-east-1", ["eu-central-1", "us-east-1"]) is None
    assert reason(checks.require_region, region, ["eu-central-1", "us-east-1"]) is Reason.REGION_MISMATCH
    assert reason(checks.require_region, region, []) is None


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (-1, Reason.EXPIRED),
        (0, Reason.EXPIRED),
        (1, None),
        (LONGEST, None),
        (LONGEST + 1, Reason.EXPIRY_BEYOND_WINDOW),
    ],
)
def test_block_is_fresh_before_its_timestamp_and_at_most_window_and_skew_ahead(
    ahead: int, expected: Optional[Reason]
) -> None:
    assert reason(checks.require_fresh, block(NOW + ahead), float(NOW), KEYS) is expected


@pytest.mark.parametrize(("monotonic", "expected"), [(99.9, None), (100.0, Reason.EXPIRED), (100.1, Reason.EXPIRED)])
def test_block_seen_before_ends_on_the_monotonic_clock(monotonic: float, expected: Optional[Reason]) -> None:
    assert reason(checks.require_not_ended, 100.0, monotonic) is expected


@pytest.mark.parametrize(
    ("ahead", "seconds"),
    [(-1, LONGEST), (0, LONGEST), (0.5, 0.5), (1, 1), (LONGEST, LONGEST), (LONGEST + 1, LONGEST), (10**9, LONGEST)],
)
def test_block_is_valid_for_its_remaining_time_and_at_most_one_window(ahead: float, seconds: float) -> None:
    assert checks.seconds_valid(block(NOW), NOW - ahead, KEYS) == seconds


def test_key_must_have_the_fingerprint_that_sshd_named() -> None:
    key = parse(keys.ed25519_line().encode())
    assert reason(checks.require_fingerprint, key, None) is None
    assert reason(checks.require_fingerprint, key, key.fingerprint) is None
    assert reason(checks.require_fingerprint, key, key.fingerprint[:-1]) is Reason.FINGERPRINT_MISMATCH
    assert reason(checks.require_fingerprint, key, "") is Reason.FINGERPRINT_MISMATCH


def test_key_line_of_a_block_may_end_with_blanks_and_must_be_a_key() -> None:
    line = keys.ed25519_line().encode()
    assert checks.key_of(block(key_line=line + b" \r")) == parse(line)
    assert reason(checks.key_of, block(key_line=b"ssh-ed25519 AAAA")) is Reason.KEY_MALFORMED


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (PublicKey("ssh-ed25519", b""), None),
        (PublicKey("ssh-rsa", b"", 2048), None),
        (PublicKey("ssh-rsa", b"", 2047), Reason.KEY_TOO_SHORT),
        (PublicKey("ssh-dss", b""), Reason.KEY_TYPE_FORBIDDEN),
    ],
)
def test_key_of_a_forbidden_type_or_length_is_refused(key: PublicKey, expected: Optional[Reason]) -> None:
    assert reason(checks.require_allowed, key, KeyPolicy()) is expected


BY_WHAT_THEY_SAY = [
    Reason.FINGERPRINT_MISMATCH,
    Reason.BLOCK_MALFORMED,
    Reason.BAD_SIGNATURE,
    Reason.INSTANCE_MISMATCH,
    Reason.EXPIRED,
    Reason.EXPIRY_BEYOND_WINDOW,
    Reason.KEY_MALFORMED,
    Reason.KEY_TYPE_FORBIDDEN,
    Reason.KEY_TOO_SHORT,
    Reason.CALLER_MISSING,
    Reason.CALLER_MALFORMED,
    Reason.CALLER_FORBIDDEN,
    Reason.GROUPS_UNKNOWN,
]


def reported(reasons: List[Reason], not_judged: int = 0) -> NotGranted:
    verdicts = [Verdict(None, reason, f"detail {number}") for number, reason in enumerate(reasons)]
    refusal = checks.most_specific(verdicts, not_judged) if not_judged else checks.most_specific(verdicts)
    assert refusal.verdicts == tuple(verdicts)
    return refusal


@pytest.mark.parametrize("at", range(1, len(BY_WHAT_THEY_SAY)))
def test_more_specific_of_two_refusals_is_reported(at: int) -> None:
    less, more = BY_WHAT_THEY_SAY[at - 1 : at + 1]
    assert reported([less, more]).reason is more
    assert reported([more, less]).reason is more


def test_every_reason_of_a_single_block_can_be_reported() -> None:
    of_a_block = {reason for reason in Reason if (broken_rule(reason) or 0) >= Rule.SIGNATURE} | {
        Reason.BLOCK_MALFORMED,
        Reason.GROUPS_UNKNOWN,
    }
    assert set(BY_WHAT_THEY_SAY) == of_a_block
    assert all(reported([reason]).reason is reason for reason in of_a_block)


def test_first_of_two_equally_specific_refusals_is_reported() -> None:
    assert reported([Reason.EXPIRED, Reason.EXPIRED]).detail == "detail 0 (1 more refused)"


def test_reported_refusal_has_the_number_of_other_refusals() -> None:
    assert reported([Reason.EXPIRED]).detail == "detail 0"
    assert reported([Reason.EXPIRED], 1).detail == "detail 0 (1 more not looked at)"
    assert reported([Reason.EXPIRED] * 3, 7).detail == "detail 0 (2 more refused, 7 more not looked at)"
