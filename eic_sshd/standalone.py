# SPDX-License-Identifier: Apache-2.0
"""One decision in this process: reads the configuration, decides, records; and runs the chained command."""

from __future__ import annotations

import threading
import time
from typing import Callable, Mapping, NamedTuple, Optional

from .config.loader import load_or_refuse
from .config.schema import Config, LogSettings
from .decide import chained_command, fallback
from .decide.authorizer import Authorizer, refuse
from .host import libraries
from .log import record, sinks
from .log.record import Record
from .model.decision import Decision, Request
from .model.reasons import NotGranted, Reason

# Seconds that a decision has at least, though the authorizer kept the front door waiting before; and a second try.
_LEAST, _LEAST_AGAIN = 1.0, 0.5
# Seconds past the deadline after which this process ends, whatever it is still waiting for (a disk that hangs
# can't be given a deadline of its own), and seconds that a record is waited for.
_GRACE = 0.25

Finish = Callable[[bytes], None]
"""Prints the answer and ends the process."""


class Question(NamedTuple):
    """What the front door was asked. `config_file` None is the packaged one; `begun` is on time.monotonic.

    `tokens` has the values that sshd alone knows, and `language` its LANG, for a chained command. `again` says that
    this is the second try, and `chained` that it is the chained command who asks.
    """

    request: Request
    config_file: Optional[str]
    tokens: Mapping[str, str]
    begun: float
    again: bool
    chained: bool = False
    language: Optional[str] = None


class Unforeseen(Exception):
    """The decision met with something unforeseen, and is worth another try in a new process."""


def answer(question: Question, finish: Finish) -> bytes:
    """What sshd gets, after the records are written.

    If this does not come to its end in time, another thread calls `finish` with the answer instead. Raises Unforeseen.
    """
    config, refusal = load_or_refuse(question.config_file)
    asked_at = _asked_at(question, config)
    watchdog = _Watchdog(question, config, asked_at, finish)
    if refusal is None:
        decision = _decide(question, config, asked_at, watchdog)
    else:
        decision = refuse(question.request, refusal, fallback.configured(config))
    watchdog.stop()
    if decision.reason in (Reason.INTERNAL_ERROR, Reason.LIBRARY_UNUSABLE) and not question.again:
        raise Unforeseen(decision.detail)
    return _completed(question, decision, config)


def _decide(question: Question, config: Config, asked_at: float, watchdog: _Watchdog) -> Decision:
    try:
        with libraries.loading():
            from .decide import dependencies  # late: requests is slow to load
    except NotGranted as unusable:
        return refuse(question.request, unusable, fallback.configured(config))
    authorizer = Authorizer(config, dependencies.build(config))
    watchdog.step = lambda: authorizer.step
    return authorizer.decide(question.request, asked_at)


def _asked_at(question: Question, config: Config) -> float:
    """From when on the decision's time runs (time.monotonic)."""
    least = _LEAST_AGAIN if question.again else _LEAST
    return max(question.begun, time.monotonic() + least - config.decision_deadline)


def give_up(question: Question, reason: Reason, detail: str) -> bytes:
    """Record that no decision was reached; the keys are those of the configuration's fallback, if it has one."""
    config, refusal = load_or_refuse(question.config_file)
    decision = refuse(question.request, refusal or NotGranted(reason, detail), fallback.configured(config))
    return _completed(question, decision, config)


def chain(question: Question) -> bytes:
    """What the chained command adds to an answer."""
    if question.chained:
        return b""
    config, refusal = load_or_refuse(question.config_file)
    if config.chain.command is None:
        # The authorizer knew of one a moment ago: the configuration was changed since.
        problem = f"not run: {refusal.detail}" if refusal else "not run: the configuration has none any more"
        _log(
            chained_command.record("", question.request, chained_command.CommandResult(b"", None, problem, 0)),
            config.log,
        )
        return b""
    return _chained(question, config.chain.command, config)


def _completed(question: Question, decision: Decision, config: Config) -> bytes:
    """The whole answer, once the decision is recorded and the chained command, if there is one, has had its say."""
    _log(record.of(decision), config.log)
    lines = "".join(f"{line}\n" for line in decision.lines).encode()
    if config.chain.command is None or question.chained or not chained_command.should_run(config, decision):
        return lines
    return lines + _chained(question, config.chain.command, config)


def _chained(question: Question, command: str, config: Config) -> bytes:
    seconds = chained_command.seconds_left(config, question.begun, time.monotonic())
    ended = chained_command.run(command, question.request, question.tokens, seconds, question.language)
    _log(chained_command.record(command, question.request, ended), config.log)
    return ended.output


def _log(entry: Record, settings: LogSettings) -> None:
    """Write the record. A log that hangs costs the grace and its record, never the login."""
    recording = threading.Thread(target=sinks.writer(settings), args=(entry,), daemon=True)
    recording.start()
    recording.join(_GRACE)


class _Watchdog:
    """Where a decision does not come to its end by itself: refuses, and has `finish` print what is left and end.

    `step` gives what the decision is at.
    """

    def __init__(self, question: Question, config: Config, asked_at: float, finish: Finish) -> None:
        self.step: Callable[[], str] = lambda: "loading the libraries"
        self._finish = finish
        self._asked_at = asked_at
        self._question = question
        self._config = config
        self._over = threading.Lock()  # whoever gets it speaks for this process
        seconds = asked_at + config.decision_deadline + _GRACE - time.monotonic()
        self._timer = threading.Timer(seconds, self._expired)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """The decision is made. Where the time was over before, that has been said, and this does not return."""
        self._timer.cancel()
        if not self._over.acquire(blocking=False):
            self._timer.join()

    def _expired(self) -> None:
        if self._over.acquire(blocking=False):
            refusal = NotGranted(Reason.DEADLINE_EXCEEDED, self._what_is_known())
            decision = refuse(self._question.request, refusal, fallback.configured(self._config))
            self._finish(_completed(self._question, decision, self._config))

    def _what_is_known(self) -> str:
        """How long it took, what it was at, and whether the machine let it compute."""
        elapsed = time.monotonic() - self._asked_at
        return (
            f"no decision after {elapsed:.1f} s, in which this process could compute for {time.process_time():.1f} s; "
            f"the step under way was: {self.step()}"
        )
