# SPDX-License-Identifier: Apache-2.0
"""The newest entries of the log are read, whatever its size."""

from __future__ import annotations

import itertools
from typing import Iterator, List

import pytest

from eic_sshd.diagnose.recent_entries import EntriesSince, Recent, newest, text
from eic_sshd.log.entries import Entry, Origin
from eic_sshd.log.reader import Span

NOW = 1_700_000_000.0
DAY = 86400


def journal_of(seconds_ago: List[float], reads: List[float]) -> EntriesSince:
    """A journal of sshd's lines, each with its age as text; each that is read is added to `reads`."""

    def entries(span: Span) -> Iterator[Entry]:
        for ago in sorted(seconds_ago, reverse=True):
            at = int((NOW - ago) * 1e6)
            if at >= (span.since or 0):
                reads.append(ago)
                yield Entry(at, Origin.SSHD, message=str(ago))

    return entries


def ages(recent: Recent) -> List[float]:
    return [float(entry.message) for entry in recent.entries]


def test_all_entries_of_the_day_are_read_in_their_order() -> None:
    seconds = [float(one) for one in range(0, DAY + 5000, 97)]
    found = newest(journal_of(seconds, []), None, NOW)
    assert ages(found) == sorted((one for one in seconds if one <= DAY), reverse=True)
    assert text(found, NOW) == "the last day"


@pytest.mark.parametrize("most", [10, 100, 1000])
def test_of_too_many_entries_the_newest_are_read(most: int) -> None:
    seconds = [float(one) for one in range(0, DAY, 10)]
    found = newest(journal_of(seconds, []), None, NOW, most)
    assert ages(found)[-most:] == sorted(seconds[:most], reverse=True)
    assert [one for one in seconds if NOW - one >= found.since] == sorted(ages(found))
    assert "too long" in text(found, NOW)


def test_a_burst_in_the_last_minute_is_read_to_its_end() -> None:
    seconds = [one / 1000 for one in range(50_000)]
    found = newest(journal_of(seconds, []), None, NOW, 1000)
    assert ages(found) == sorted(seconds[:1000], reverse=True)


def test_the_oldest_part_is_left_out_where_there_is_no_time_for_it() -> None:
    ticks = itertools.count()
    seconds = [float(one) for one in range(0, DAY, 100)]
    found = newest(journal_of(seconds, []), None, NOW, monotonic=lambda: next(ticks) * 0.01)
    assert ages(found)[-1] == 0
    assert [one for one in seconds if NOW - one >= found.since] == sorted(ages(found))
    assert 0 < len(found.entries) < len(seconds)


def test_entries_are_read_twice_at_most_for_their_end() -> None:
    reads: List[float] = []
    newest(journal_of([float(one) for one in range(0, DAY, 100)], reads), None, NOW)
    assert len(reads) < DAY / 100 + 50


@pytest.mark.parametrize(("since", "shown"), [(NOW - DAY, "day"), (NOW - 7200, "2 h ("), (NOW - 600, "10 min (")])
def test_what_was_read_is_shown(since: float, shown: str) -> None:
    assert text(Recent([], since), NOW).startswith(f"the last {shown}")
