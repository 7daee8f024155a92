# SPDX-License-Identifier: Apache-2.0
"""Times as an administrator writes them."""

from __future__ import annotations

import argparse
import datetime
import time

import pytest

from eic_sshd.cli._log_times import parse

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
NOW = "2026-11-29T07:30:00+01:00"


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", BERLIN)
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("today", "2026-11-29T00:00:00+01:00"),
        ("yesterday", "2026-11-28T00:00:00+01:00"),
        ("2h", "2026-11-29T05:30:00+01:00"),
        ("-2h", "2026-11-29T05:30:00+01:00"),
        ("2h ago", "2026-11-29T05:30:00+01:00"),
        ("90 min", "2026-11-29T06:00:00+01:00"),
        ("30s", "2026-11-29T07:29:30+01:00"),
        ("7d", "2026-11-22T07:30:00+01:00"),
        ("2 weeks ago", "2026-11-15T07:30:00+01:00"),
        ("07:00", "2026-11-29T07:00:00+01:00"),
        ("07:00:30", "2026-11-29T07:00:30+01:00"),
        ("2026-11-29", "2026-11-29T00:00:00+01:00"),
        ("2026-07-01", "2026-07-01T00:00:00+02:00"),
        ("2026-11-29 07:00", "2026-11-29T07:00:00+01:00"),
        ("2026-11-29T07:00:00", "2026-11-29T07:00:00+01:00"),
        ("2026-11-29T07:00:00Z", "2026-11-29T07:00:00+00:00"),
        ("2026-11-29T07:00:00-05:00", "2026-11-29T07:00:00-05:00"),
        ("@1700000000", "2023-11-14T22:13:20+00:00"),
        ("@0", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_time_is_understood(text: str, expected: str) -> None:
    now = datetime.datetime.fromisoformat(NOW)
    assert parse(text, now) == int(datetime.datetime.fromisoformat(expected).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    "text", ["", "soon", "2x", "h", "@", "@x", "25:00", "2026-13-01", "999999d", "7:00", "\u0667d"]
)
def test_text_that_is_no_time_is_reported_with_the_forms(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time"):
        parse(text, datetime.datetime.fromisoformat(NOW))
