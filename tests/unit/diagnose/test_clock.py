# SPDX-License-Identifier: Apache-2.0
"""The clock against the Date of IMDS, and what the time daemon reports."""

from __future__ import annotations

import pytest

from eic_sshd.config.schema import build
from eic_sshd.decide import checks
from eic_sshd.diagnose.clock import ClockFacts, findings
from eic_sshd.model.reasons import NotGranted
from eic_sshd.model.signed_key import Block

KEYS = build({}).keys
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
FACTS = ClockFacts(NOW, DATE, "chrony.service", True)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (FACTS, "clock-right"),
        (FACTS._replace(now=NOW + 4), "clock-right"),
        (FACTS._replace(now=NOW - 4), "clock-right"),
        (FACTS._replace(now=NOW + 6), "clock-inexact"),
        (FACTS._replace(now=NOW + 59), "clock-inexact"),
        (FACTS._replace(now=NOW + 60), "clock-wrong"),
        (FACTS._replace(now=NOW - 60), "clock-inexact"),
        (FACTS._replace(now=NOW - 61), "clock-wrong"),
        (FACTS._replace(is_synchronized=None), "clock-right"),
        (FACTS._replace(is_synchronized=False), "clock-unsynchronized"),
        (FACTS._replace(is_synchronized=False, now=NOW + 600), "clock-wrong"),
        (FACTS._replace(date=""), "clock-unknown"),
        (FACTS._replace(date="yesterday"), "clock-unknown"),
        (FACTS._replace(date="Tue, 14 Nov 99999 22:13:20 GMT"), "clock-unknown"),
        (FACTS._replace(date="", is_synchronized=False), "clock-unsynchronized"),
    ],
)
def test_finding_of_the_clock(facts: ClockFacts, code: str) -> None:
    (found,) = findings(facts, KEYS)
    assert found.code == code


@pytest.mark.parametrize(
    ("window", "skew", "ahead", "problem"),
    [
        (300, 60, 59, ""),
        (300, 60, 60, "every pushed key is refused"),
        (300, 60, -299, ""),
        (300, 60, -301, "a key is refused right after its push"),
        (300, 60, -361, "every pushed key is refused"),
        (30, 60, 59, ""),
        (30, 60, -29, ""),
        (30, 60, -31, "a key is refused right after its push"),
        (30, 60, -91, "every pushed key is refused"),
        (60, 0, -6, "a key is refused right after its push"),
        (10, 0, 6, ""),
    ],
)
def test_the_clock_is_wrong_from_where_a_decision_refuses_keys(
    window: int, skew: int, ahead: int, problem: str
) -> None:
    keys = build({"keys": {"window": window, "clock_skew": skew}}).keys
    (found,) = findings(FACTS._replace(now=NOW + ahead), keys)
    assert (found.code, problem in found.problem) == ("clock-wrong" if problem else "clock-inexact", True)


@pytest.mark.parametrize(("window", "skew"), [(300, 60), (30, 60), (60, 0), (1, 3600)])
@pytest.mark.parametrize("ahead", range(-371, 70, 15))
def test_the_finding_of_the_clock_is_what_a_decision_says(window: int, skew: int, ahead: int) -> None:
    keys = build({"keys": {"window": window, "clock_skew": skew}}).keys
    block = Block(1_700_000_060, "i-0123456789abcdef0", None, None, b"", b"", b"")  # pushed at NOW

    def is_granted(after: float) -> bool:
        try:
            checks.require_fresh(block, NOW + after + ahead, keys)
        except NotGranted:
            return False
        return True

    granted = [is_granted(after + 0.5) for after in range(60)]
    (found,) = findings(FACTS._replace(now=NOW + ahead), keys)
    assert ("every pushed key" in found.problem) is (not any(granted))
    assert ("right after its push" in found.problem) is (any(granted) and not granted[0] and ahead < 0)


@pytest.mark.parametrize(
    ("daemon", "command"),
    [
        ("chrony.service", "chronyc makestep"),
        ("chronyd.service", "chronyc makestep"),
        ("systemd-timesyncd.service", "systemctl restart systemd-timesyncd.service"),
        (None, "apt-get install chrony"),
    ],
)
def test_command_that_sets_the_clock(daemon: str, command: str) -> None:
    (found,) = findings(FACTS._replace(now=NOW + 600, daemon=daemon, install="apt-get install chrony"), KEYS)
    assert found.command == command


def test_the_difference_is_shown() -> None:
    (found,) = findings(FACTS._replace(now=NOW - 300), KEYS)
    assert "it is 300 s behind the Date of IMDS" in found.text()
