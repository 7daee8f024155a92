# SPDX-License-Identifier: Apache-2.0
"""How busy the processors of this machine are."""

from __future__ import annotations

import os
import time


def idle_cores(seconds: float = 1.0) -> int:
    """How many of the processors had nothing to do for the next `seconds` (proc_stat(5), idle and iowait)."""
    before = _idle_ticks()
    time.sleep(seconds)
    idle = (_idle_ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds
    return min(round(idle), os.cpu_count() or 1)


def _idle_ticks() -> int:
    with open("/proc/stat", encoding="ascii") as file:
        _, *ticks = file.readline().split()
    return int(ticks[3]) + int(ticks[4])
