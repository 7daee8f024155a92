# SPDX-License-Identifier: Apache-2.0
"""Waits for a condition, with a limit."""

from __future__ import annotations

import time
from typing import Callable, TypeVar

TIMEOUT = 30.0  # seconds; the events that tests wait for take a few on a busy machine
_PAUSE = 0.01  # seconds between two looks

Value = TypeVar("Value")


class TimedOut(RuntimeError):
    """A condition was not met in time."""


def until(condition: Callable[[], Value], what: str, timeout: float = TIMEOUT, pause: float = _PAUSE) -> Value:
    """Call `condition` until it returns a true value; returns that. Raises TimedOut, which names `what`."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise TimedOut(f"{what}: not within {timeout:g} s")
        time.sleep(pause)
