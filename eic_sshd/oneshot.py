# SPDX-License-Identifier: Apache-2.0
"""One decision in this process: reads the configuration, decides, records."""

from __future__ import annotations

import threading
from typing import Callable, List, Optional

from . import fallback, journal, record
from .authorizer import Authorizer, refuse
from .config import load_or_refuse
from .decision import Decision, NotGranted, Reason, Request
from .settings import Config

# Seconds past the decision's deadline after which this process ends, whatever it is still waiting for (a user database
# that hangs can't be given a deadline of its own), and seconds that the record of a decision is waited for.
_GRACE = 0.25

Finish = Callable[[List[str]], None]
"""Prints the lines and ends the process."""


def answer(request: Request, config_file: Optional[str], finish: Finish) -> List[str]:
    """The authorized_keys lines for sshd, after the record is written. `config_file` None is the packaged one.

    If this does not come to its end in time, another thread calls `finish` with the lines instead.
    """
    config, refusal = load_or_refuse(config_file)
    watchdog = _Watchdog(request, config, finish)
    if refusal is None:
        from . import house  # imported late: requests is slow to load

        decision = Authorizer(config, house.world(config)).decide(request)
    else:
        decision = refuse(request, refusal, fallback.configured(config))
    watchdog.stop()
    return _recorded(decision, config)


def give_up(request: Request, reason: Reason, detail: str, config_file: Optional[str]) -> List[str]:
    """Record that no decision was reached; the lines are those of the configuration's fallback, if it has one."""
    config, refusal = load_or_refuse(config_file)
    return _recorded(refuse(request, refusal or NotGranted(reason, detail), fallback.configured(config)), config)


def _recorded(decision: Decision, config: Config) -> List[str]:
    """The decision's lines, once it is recorded. A log that hangs costs the grace and its record, never the login."""
    recording = threading.Thread(target=journal.writer(config.log), args=(record.of(decision),), daemon=True)
    recording.start()
    recording.join(_GRACE)
    return decision.lines


class _Watchdog:
    """Where a decision does not come to its end by itself: refuses, and has `finish` print what is left and end."""

    def __init__(self, request: Request, config: Config, finish: Finish) -> None:
        self._finish = finish
        self._request = request
        self._config = config
        self._over = threading.Lock()  # whoever gets it speaks for this process
        self._timer = threading.Timer(config.imds.deadline + _GRACE, self._expired)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """The decision is made. Where the time was over before, that has been said, and this does not return."""
        self._timer.cancel()
        if not self._over.acquire(blocking=False):
            self._timer.join()

    def _expired(self) -> None:
        if self._over.acquire(blocking=False):
            refusal = NotGranted(Reason.DEADLINE_EXCEEDED, "the user database or the disk did not answer in time")
            lines = _recorded(refuse(self._request, refusal, fallback.configured(self._config)), self._config)
            self._finish(lines)
