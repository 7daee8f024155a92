# SPDX-License-Identifier: Apache-2.0
"""Counts of reasons, results and login methods, and how long decisions took."""

from __future__ import annotations

import collections
import math
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Sequence

from .connection import Connection

_PERCENTILES = (50, 90, 99, 100)


@dataclass(frozen=True)
class Stats:
    """Counts, the most frequent first; `latency_us` by source, and over all sources as `all`: percentile to value.

    `decisions` counts records by their reason, `connections` by result, `logins` by method.
    """

    decisions: Mapping[str, int]
    connections: Mapping[str, int]
    logins: Mapping[str, int]
    latency_us: Mapping[str, Mapping[str, int]]


def of(connections: Iterable[Connection]) -> Stats:
    """The statistics of these connections. Percentiles are by the nearest rank: each is a value that occurred."""
    decisions: Dict[str, int] = collections.Counter()
    results: Dict[str, int] = collections.Counter()
    logins: Dict[str, int] = collections.Counter()
    elapsed: Dict[str, List[int]] = {}
    for connection in connections:
        results[connection.result.value] += 1
        if connection.login:
            logins[connection.login.by.value] += 1
        for attempt in connection.attempts:
            decisions[attempt.reason] += attempt.count
            for timing in attempt.timings:
                elapsed.setdefault("all", []).append(timing.elapsed_us)
                if timing.source:
                    elapsed.setdefault(timing.source, []).append(timing.elapsed_us)
    return Stats(
        _sorted(decisions),
        _sorted(results),
        _sorted(logins),
        {source: percentiles(values) for source, values in sorted(elapsed.items())},
    )


def percentiles(values: Sequence[int]) -> Dict[str, int]:
    """Of at least one value: `p50`, `p90`, `p99` and `max`."""
    ordered = sorted(values)
    return {
        "max" if percent == 100 else f"p{percent}": ordered[math.ceil(len(ordered) * percent / 100) - 1]
        for percent in _PERCENTILES
    }


def _sorted(counts: Mapping[str, int]) -> Dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
