# SPDX-License-Identifier: Apache-2.0
"""Timing side by side: the rounds of all cases are interleaved, so that a busy moment hits all of them."""

from __future__ import annotations

import statistics
import subprocess
import time
from dataclasses import dataclass, field
from typing import Callable, List, Sequence


class WrongAnswer(Exception):
    """A case printed what it must not: its time means nothing."""


@dataclass
class Case:
    """`measure` gives the milliseconds of one round; `rounds` is how many there are, 0: as many as the others."""

    name: str
    measure: Callable[[], float]
    rounds: int = 0
    milliseconds: List[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Milliseconds."""
        return statistics.median(self.milliseconds)


def nothing() -> None:
    """What goes on before a round where nothing has to."""


def command(
    name: str, arguments: Sequence[str], lines: int, before: Callable[[], None] = nothing, rounds: int = 0
) -> Case:
    """A command that prints so many lines; `before` runs ahead of each round, untimed."""

    def measure() -> float:
        before()
        begun = time.perf_counter()
        done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, env={}, check=False, timeout=60)
        elapsed = (time.perf_counter() - begun) * 1000
        if done.returncode != 0 or done.stdout.count("\n") != lines:
            raise WrongAnswer(f"{name}: status {done.returncode}, printed {done.stdout!r}")
        return elapsed

    return Case(name, measure, rounds)


def run(cases: Sequence[Case], rounds: int) -> None:
    """Measure every case `rounds` times, one after another in each round, after a round that only warms up."""
    for at in range(rounds + 1):
        for case in cases:
            if case.rounds and at > case.rounds:
                continue
            elapsed = case.measure()
            if at > 0:
                case.milliseconds.append(elapsed)


def table(cases: Sequence[Case], base: Case) -> str:
    """Medians and ratios to `base`."""
    rows = [("case", "median", "ratio", "fastest", "slowest", "rounds")]
    for case in cases:
        times = case.milliseconds
        ends = (f"{min(times):.1f}", f"{max(times):.1f}", str(len(times)))
        rows.append((case.name, f"{case.median:.1f} ms", f"{case.median / base.median:.2f}", *ends))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in rows
    )
