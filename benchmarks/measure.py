# SPDX-License-Identifier: Apache-2.0
"""Timing in pairs: just before each round of a case its baseline runs once, so that both have the same conditions.

A baseline that runs only once for all cases of a round has cold caches, and so makes the cases look faster than they
are.
"""

from __future__ import annotations

import json
import os
import select
import statistics
import time
from dataclasses import dataclass, field
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple

PYTHON = ("/usr/bin/python3", "-IS", "-c", "pass")
_TIME_LIMIT = 60.0  # seconds for one command


class WrongAnswer(Exception):
    """A case printed a wrong answer, so its time does not count."""


class Ran(NamedTuple):
    """A command that ended: how long it took in milliseconds, its exit status, what it printed."""

    milliseconds: float
    status: int
    printed: bytes


def ran(arguments: Sequence[str]) -> Ran:
    """Run a command with an empty environment. Raises WrongAnswer if it takes too long."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    begun = time.perf_counter()
    pid = os.posix_spawn(arguments[0], list(arguments), {}, file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 1)])
    os.close(theirs)
    printed = b""
    with open(ours, "rb", buffering=0) as file:
        while select.select([file], [], [], _TIME_LIMIT)[0]:
            more = file.read(65536)
            if not more:
                break
            printed += more
        else:
            os.kill(pid, 9)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    elapsed = (time.perf_counter() - begun) * 1000
    if status == -9:
        raise WrongAnswer(f"{arguments[0]} took more than {_TIME_LIMIT:g} s")
    return Ran(elapsed, status, printed)


def timed(arguments: Sequence[str]) -> float:
    """The milliseconds of a command. Raises WrongAnswer unless it ends with status 0."""
    done = ran(arguments)
    if done.status != 0:
        raise WrongAnswer(f"{arguments!r:.200} ended with status {done.status}")
    return done.milliseconds


def bare_python() -> float:
    """The milliseconds of starting Python."""
    return timed(PYTHON)


def nothing() -> None:
    """The preparation of a round that needs none."""


@dataclass
class Case:
    """`measure` returns the milliseconds of one round, `base` those of its baseline.

    `before` prepares each round. `rounds` is the number of rounds, 0 for as many as the others have. `against` names
    the baseline if it is not a bare Python.
    """

    name: str
    measure: Callable[[], float]
    before: Callable[[], None] = nothing
    rounds: int = 0
    base: Callable[[], float] = bare_python
    against: str = ""
    pairs: List[Tuple[float, float]] = field(default_factory=list)

    def round(self) -> Tuple[float, float]:
        """One pair: the base's milliseconds, and the case's."""
        self.before()
        return self.base(), self.measure()

    @property
    def median(self) -> float:
        """The median time in milliseconds."""
        return statistics.median(case for _, case in self.pairs)

    @property
    def ratios(self) -> Tuple[float, float, float]:
        """The first quartile, the median and the third quartile of the pairs' ratios."""
        ratios = [case / base for base, case in self.pairs]
        if len(ratios) == 1:
            ratios *= 2
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, middle, high


def command(
    name: str, arguments: Sequence[str], lines: int, before: Callable[[], None] = nothing, rounds: int = 0
) -> Case:
    """A command that must print `lines` lines."""

    def measure() -> float:
        done = ran(arguments)
        if done.status != 0 or done.printed.count(b"\n") != lines:
            raise WrongAnswer(f"{name}: status {done.status}, printed {done.printed!r}")
        return done.milliseconds

    return Case(name, measure, before, rounds)


def run(cases: Sequence[Case], rounds: int) -> None:
    """Measure every case once in each of `rounds` rounds, after one round that is not measured."""
    for at in range(rounds + 1):
        for case in cases:
            if case.rounds and at > case.rounds:
                continue
            pair = case.round()
            if at > 0:
                case.pairs.append(pair)


def table(cases: Sequence[Case], before: Dict[str, float]) -> str:
    """Medians, and the ratios' median and quartiles; `before` has an earlier run's ratios, by the cases' names."""
    rows = [["case", "median", "ratio", "quartiles", "fastest", "slowest", "rounds", "before"]]
    for case in cases:
        low, middle, high = case.ratios
        times = [case for _, case in case.pairs]
        old = f"{before[case.name]:.2f}" if case.name in before else ""
        row = [case.name, f"{case.median:.1f} ms", f"{middle:.2f}", f"{low:.2f}-{high:.2f}", f"{min(times):.1f}"]
        rows.append([*row, f"{max(times):.1f}", str(len(times)), old])
    if not before:
        rows = [row[:-1] for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip()
        for row in rows
    ]
    notes = dict.fromkeys(f"{case.name}: the ratio is to {case.against}" for case in cases if case.against)
    return "\n".join([*lines, *notes])


def save(cases: Sequence[Case], path: str) -> None:
    """Write every pair, for `load` in a later run."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump({case.name: case.pairs for case in cases}, file, indent=1)


def load(path: str) -> Dict[str, float]:
    """The median ratios of a run that was saved."""
    with open(path, encoding="utf-8") as file:
        pairs: Dict[str, List[Tuple[float, float]]] = json.load(file)
    return {name: statistics.median(case / base for base, case in one) for name, one in pairs.items()}
