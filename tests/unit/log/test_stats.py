# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import List

import pytest

from eic_sshd.log import stats
from eic_sshd.model.outcome import Outcome

from .journal import Log, joined


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5], [5, 5, 5, 5]),
        ([1, 2], [1, 2, 2, 2]),
        (list(range(1, 101)), [50, 90, 99, 100]),
        (list(range(1000, 0, -1)), [500, 900, 990, 1000]),
    ],
)
def test_percentiles_are_values_that_occurred(values: List[int], expected: List[int]) -> None:
    assert list(stats.percentiles(values).values()) == expected


def test_each_record_counts_once_and_the_most_frequent_reason_is_first() -> None:
    log = Log()
    log.login(1)
    for pid in (2, 3, 4):
        log.record(pid, Outcome.NONE, "no-active-keys")
    log.accepted(5, method="password")
    found = stats.of(joined(log))
    assert list(found.decisions.items()) == [("no-active-keys", 3), ("granted", 2)]
    assert found.connections == {"none": 3, "login": 2}
    assert found.logins == {"other": 1, "pushed-key": 1}
    assert sorted(found.latency_us) == ["all", "cache", "imds"]


def test_nothing_has_no_percentiles() -> None:
    assert stats.of([]).latency_us == {}
