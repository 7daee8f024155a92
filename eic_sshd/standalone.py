# SPDX-License-Identifier: Apache-2.0
"""One decision in this process, when there is no daemon, or it declines or dies. It is slower, by the same rules.

This process does not know which blocks the daemon saw expire. That matters only after the clock was set back.

It reads the configuration, decides, and writes the record; and it runs the chained command, after its own answer or
after the daemon's.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Callable, Optional

from .config.loader import load_or_refuse
from .config.schema import Config, LogSettings
from .host import libraries, process
from .invocation import CHAINED_MARK, Invocation
from .log import record, sinks
from .log.record import Record
from .model.deadline import Deadline
from .model.decision import Decision
from .model.reasons import NotGranted, Reason

# Seconds that a decision has at least, however long the daemon kept the client waiting before; and a second try.
_MIN_BUDGET, _MIN_RETRY_BUDGET = 1.0, 0.5
# Seconds past the deadline after which this process ends, whatever it waits for: a disk that hangs has no time limit.
_EXIT_MARGIN = 0.25
# Seconds to wait for a record to be written.
_LOG_TIMEOUT = 0.25

Finish = Callable[[bytes], None]
"""Prints the answer and ends the process."""


class Unforeseen(Exception):
    """The decision failed in a way that a second try, in a new process, may overcome."""


def answer(invocation: Invocation, finish: Optional[Finish] = None) -> bytes:
    """The authorized_keys lines for sshd, once the records are written.

    If the decision does not end in time, another thread calls `finish` with the answer instead (None: it prints the
    answer and ends this process). Raises Unforeseen.
    """
    process.isolate(keep=(CHAINED_MARK,))
    config, refusal = load_or_refuse(invocation.config_file)
    deadline = _deadline(invocation, config)
    watchdog = _Watchdog(invocation, config, deadline, finish or _print_and_exit)
    if refusal is None:
        decision = _decide(invocation, config, deadline, watchdog)
    else:
        decision = _refuse(invocation, refusal, config)
    watchdog.stop()
    if decision.reason in (Reason.INTERNAL_ERROR, Reason.LIBRARY_UNUSABLE) and not invocation.is_retry:
        raise Unforeseen(decision.detail)
    return _whole_answer(decision, config)


def chained_output(invocation: Invocation) -> bytes:
    """What the chained command adds to the daemon's answer."""
    process.isolate(keep=(CHAINED_MARK,))
    if invocation.in_chain:
        return b""
    config, refusal = load_or_refuse(invocation.config_file)
    if config.chain.command is None:
        # The daemon knew of one a moment ago: the configuration has changed since.
        from .decide import chained_command  # late, here and below: most sites have no such command

        problem = f"not run: {refusal.detail}" if refusal else "not run: the configuration no longer names a command"
        not_run = chained_command.CommandResult(b"", None, problem, 0)
        _log(chained_command.record("", invocation, not_run), config.log)
        return b""
    return _run_chained(invocation, config.chain.command, config)


def give_up(invocation: Invocation, error: BaseException, daemon_failed: bool) -> bytes:
    """Record that `error` prevented a decision; the keys are those of the configuration's fallback, if it has one."""
    process.isolate(keep=(CHAINED_MARK,))
    reason = Reason.AUTHORIZER_FAILED if daemon_failed else Reason.INTERNAL_ERROR
    detail = str(error) if daemon_failed else f"{type(error).__name__}: {error}"
    config, refusal = load_or_refuse(invocation.config_file)
    return _whole_answer(_refuse(invocation, refusal or NotGranted(reason, detail), config), config)


def _deadline(invocation: Invocation, config: Config) -> Deadline:
    """The end of the decision's time, which runs from the beginning of the command, but leaves a minimum."""
    minimum = _MIN_RETRY_BUDGET if invocation.is_retry else _MIN_BUDGET
    return Deadline(max(invocation.begun + config.decision_deadline, time.monotonic() + minimum), time.monotonic)


def _decide(invocation: Invocation, config: Config, deadline: Deadline, watchdog: _Watchdog) -> Decision:
    try:
        with libraries.loading():
            from .decide import dependencies  # late: http.client is slow to load
    except NotGranted as unusable:
        return _refuse(invocation, unusable, config)
    from .decide.authorizer import Authorizer

    authorizer = Authorizer(config, dependencies.build(config))
    watchdog.step = lambda: authorizer.step
    return authorizer.decide(invocation, deadline)


def _refuse(invocation: Invocation, refusal: NotGranted, config: Config) -> Decision:
    # Late: a process that only runs the chained command, as it does at each login of such a site, needs neither.
    from .decide import fallback, policy
    from .decide.authorizer import refuse
    from .host.groups import Groups

    refusal = policy.first_refusal(invocation.user, config.users, Groups().of, refusal)
    return refuse(invocation, refusal, fallback.configured(config))


def _whole_answer(decision: Decision, config: Config) -> bytes:
    """Record the decision; its lines, and those of the chained command, if that is to run."""
    _log(record.of(decision), config.log)
    lines = "".join(f"{line}\n" for line in decision.lines).encode()
    if config.chain.command is None or decision.invocation.in_chain:
        return lines
    from .decide import chained_command

    if not chained_command.should_run(config, decision):
        return lines
    return lines + _run_chained(decision.invocation, config.chain.command, config)


def _run_chained(invocation: Invocation, command: str, config: Config) -> bytes:
    from .decide import chained_command

    seconds = chained_command.seconds_left(config, invocation.begun, time.monotonic())
    result = chained_command.run(command, invocation, seconds)
    _log(chained_command.record(command, invocation, result), config.log)
    return result.output


def _log(entry: Record, settings: LogSettings) -> None:
    """Write the record. A log that hangs costs the time limit and its record, never the login."""
    recording = threading.Thread(target=sinks.writer(settings), args=(entry,), daemon=True)
    recording.start()
    recording.join(_LOG_TIMEOUT)


def _print_and_exit(answer: bytes) -> None:
    with contextlib.suppress(OSError):  # sshd has ended
        while answer:
            answer = answer[os.write(1, answer) :]
    os._exit(0)


class _Watchdog:
    """When a decision does not end in time: refuses, and calls `finish` with the answer that is left.

    `step` gives what the decision waits for.
    """

    def __init__(self, invocation: Invocation, config: Config, deadline: Deadline, finish: Finish) -> None:
        self.step: Callable[[], str] = lambda: "loading the libraries"
        self._finish = finish
        self._invocation = invocation
        self._config = config
        self._decided = threading.Lock()  # the thread that acquires it answers for this process
        self._timer = threading.Timer(deadline.remaining() + _EXIT_MARGIN, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """The decision is made. Does not return if the time was over before: `finish` has the answer then."""
        self._timer.cancel()
        if not self._decided.acquire(blocking=False):
            self._timer.join()

    def _expire(self) -> None:
        if self._decided.acquire(blocking=False):
            refusal = NotGranted(Reason.DEADLINE_EXCEEDED, self._explain())
            self._finish(_whole_answer(_refuse(self._invocation, refusal, self._config), self._config))

    def _explain(self) -> str:
        """How long it took, which step was under way, and whether the machine let this process compute."""
        elapsed = time.monotonic() - self._invocation.begun
        return (
            f"no decision after {elapsed:.1f} s, in which this process could compute for {time.process_time():.1f} s; "
            f"the step under way was: {self.step()}"
        )
