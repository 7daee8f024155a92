# SPDX-License-Identifier: Apache-2.0
"""How long there is left: a value that is handed down, never a clock that is reached for."""

from __future__ import annotations

from typing import Callable

from .value import Value

Clock = Callable[[], float]
"""Gives seconds; time.monotonic for durations, time.time for the wall clock."""


class Deadline(Value):
    """The moment on `clock`, in seconds, by which something must be over."""

    at: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Deadline:
        """The deadline `seconds` from now, by `clock`."""
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Seconds left; zero or less once it has passed."""
        return self.at - self.clock()

    def capped(self, seconds: float) -> Deadline:
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)
