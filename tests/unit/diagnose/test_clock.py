# SPDX-License-Identifier: Apache-2.0
"""The clock against the Date of IMDS, and what the time daemon reports."""

from __future__ import annotations

import pytest

from eic_sshd.config.schema import build
from eic_sshd.diagnose.clock import ClockFacts, findings

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
