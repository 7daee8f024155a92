# SPDX-License-Identifier: Apache-2.0
"""Connections as lines for people."""

from __future__ import annotations

import io
from typing import List, Optional

import pytest

from eic_sshd.cli._log_table import Table, length, stats_lines
from eic_sshd.log import stats
from eic_sshd.log.trail import Comparison, Match
from eic_sshd.model.outcome import Outcome
from tests.unit.log.journal import ADDRESS, CALLER, KEY, OTHER_KEY, SECOND, Log, joined, only

PID = 4242


def lines(log: Log, width: Optional[int] = None, comparison: Optional[Comparison] = None) -> List[str]:
    stream = io.StringIO()
    rows = [(one, comparison) for one in joined(log)]
    table = Table(stream, width, rows)
    for row in rows:
        table.row(*row)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_line_that_is_wider_than_the_terminal_is_folded(width: int) -> None:
    log = Log()
    log.login(PID)
    shown = lines(log, width)
    assert len(shown) > 1
    assert max(map(len, shown)) <= width
    assert all(line.startswith("    ") for line in shown[1:])
    for part in (CALLER, "request r-1", KEY, "session 7"):
        assert part in "\n".join(shown)


def test_line_of_a_long_address_fits_into_80_columns() -> None:
    log = Log()
    log.record(PID, Outcome.REFUSED, "key-type-forbidden")
    log.sshd(
        PID, f"Connection closed by authenticating user ec2-user 2001:db8:{':'.join(['abcd'] * 6)} port 5 [preauth]"
    )
    shown = lines(log, 80)
    assert max(map(len, shown)) <= 80
    assert shown[1].startswith("    refused: key-type-forbidden")


def test_line_is_whole_where_the_terminal_is_wide_enough_or_none() -> None:
    log = Log()
    log.login(PID)
    assert len(lines(log)) == len(lines(log, 400)) == 1


def test_long_names_do_not_move_the_columns_without_a_limit() -> None:
    log = Log()
    log.record(PID, Outcome.NONE, "no-active-keys", user="u" * 200)
    log.record(PID + 1, Outcome.NONE, "no-active-keys")
    _, second = lines(log)
    assert second.index("no pushed key") < 120


@pytest.mark.parametrize(
    ("outcome", "reason", "words"),
    [
        (Outcome.REFUSED, "expired", "refused: expired"),
        (Outcome.ERROR, "imds-unreachable", "error: imds-unreachable"),
        (Outcome.NONE, "no-active-keys", "no pushed key"),
        (Outcome.GRANTED, "granted", "granted, no session"),
        (Outcome.FALLBACK, "fallback-file", "fallback, no session"),
    ],
)
def test_result_of_a_connection_without_a_login_is_in_words(outcome: Outcome, reason: str, words: str) -> None:
    log = Log()
    log.record(PID, outcome, reason)
    assert words in lines(log)[0]


def test_denial_of_sshd_is_beside_the_grant() -> None:
    log = Log()
    log.record(PID)
    log.sshd(PID, "fatal: Access denied for user ec2-user by PAM account configuration [preauth]")
    assert "sshd: Access denied for user ec2-user by PAM account configuration" in lines(log)[0]


def test_login_of_another_method_names_it_and_the_place_of_the_key() -> None:
    log = Log()
    log.sshd(PID, f"Accepted key ED25519 {OTHER_KEY} found at /etc/keys/ec2-user:3")
    log.accepted(PID, key=OTHER_KEY)
    (line,) = lines(log)
    for part in ("login: other method", "by publickey", OTHER_KEY, "found at /etc/keys/ec2-user:3", ADDRESS):
        assert part in line


def test_policy_of_a_grant_is_shown() -> None:
    log = Log()
    log.record(PID, policy="operators")
    assert "policy operators" in lines(log)[0]


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (Comparison(Match.UNKNOWN, None, "the trail does not have this time"), "trail: unknown, the trail does not"),
        (Comparison(Match.PROBLEM, None, "the trail has no such request"), "trail: PROBLEM, the trail has no such"),
    ],
)
def test_trail_is_at_the_end_of_the_line(comparison: Comparison, words: str) -> None:
    log = Log()
    log.login(PID)
    assert words in lines(log, comparison=comparison)[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00"), (59.9, "00:00:59"), (3661, "01:01:01"), (86399, "23:59:59"), (86400 * 12 + 60, "12d 00:01:00")],
)
def test_length_is_in_hours_minutes_and_seconds(seconds: float, text: str) -> None:
    assert length(int(seconds * SECOND)) == text


def test_holder_of_a_session_has_a_fact_a_line() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    stream = io.StringIO()
    found = only(log, running=[PID])
    Table(stream, None).holder(found, log.at + 65 * SECOND)
    facts = dict(line.split(maxsplit=1) for line in stream.getvalue().splitlines())
    assert facts["caller"] == CALLER
    assert facts["since"].endswith("(for 00:01:05)")
    assert facts["session"] == "7"


def test_stats_have_a_line_for_each_count() -> None:
    log = Log()
    log.login(PID)
    shown = stats_lines(stats.of(joined(log)))
    assert [line.split() for line in shown if "granted" in line] == [["2", "granted"]]
    assert any("p50 1.5" in line for line in shown)
