# SPDX-License-Identifier: Apache-2.0
"""Timing commands side by side: the rounds of all cases are interleaved, so that a busy moment hits all of them."""

from __future__ import annotations

import statistics
import subprocess
import time
from dataclasses import dataclass, field
from typing import Callable, List, Sequence


@dataclass
class Case:
    """A command to time; `before` runs ahead of each round, untimed, and `expect` is what must be printed."""

    name: str
    command: Sequence[str]
    expect: Callable[[str], bool]
    before: Callable[[], None] = lambda: None
    rounds: int = 0  # 0: as many as the others
    milliseconds: List[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Milliseconds."""
        return statistics.median(self.milliseconds)


class WrongAnswer(Exception):
    """A case printed what it must not: its time means nothing."""


def run(cases: Sequence[Case], rounds: int) -> None:
    """Time each case `rounds` times, one after another in each round."""
    for at in range(rounds + 1):
        for case in cases:
            if case.rounds and at > case.rounds:
                continue
            case.before()
            begun = time.perf_counter()
            done = subprocess.run(case.command, stdout=subprocess.PIPE, text=True, env={}, check=False, timeout=60)
            elapsed = (time.perf_counter() - begun) * 1000
            if done.returncode != 0 or not case.expect(done.stdout):
                raise WrongAnswer(f"{case.name}: status {done.returncode}, printed {done.stdout!r}")
            if at > 0:  # the first round only warms the disk's cache
                case.milliseconds.append(elapsed)


def table(cases: Sequence[Case], base: Case) -> str:
    """Medians and ratios to `base`."""
    rows = [("case", "median", "ratio", "fastest", "slowest", "rounds")]
    rows += [
        (
            case.name,
            f"{case.median:.1f} ms",
            f"{case.median / base.median:.2f}",
            f"{min(case.milliseconds):.1f}",
            f"{max(case.milliseconds):.1f}",
            str(len(case.milliseconds)),
        )
        for case in cases
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        lines.append("  ".join(cells))
    return "\n".join(lines)
