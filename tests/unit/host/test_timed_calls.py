# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import pytest

from eic_sshd.host.timed_calls import TimedCalls


def test_result_of_a_timed_call_is_returned() -> None:
    assert TimedCalls(1).call(lambda: "given", 60) == "given"
    assert TimedCalls(1).call(lambda: None, 60) is None


@pytest.mark.parametrize("error", [OSError(5, "odd"), ValueError("odd"), SystemExit(1)])
def test_exception_of_a_timed_call_is_raised(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        TimedCalls(1).call(fail, 60)
    assert caught.value is error


def test_hanging_calls_are_abandoned_up_to_a_limit() -> None:
    limited, leave, made = TimedCalls(2), threading.Event(), []

    def hang() -> None:
        made.append(1)
        leave.wait(60)

    for seconds in (0.01, 0):  # 0: it is over before it is waited for
        with pytest.raises(TimeoutError, match=f"no answer within {seconds} s"):
            limited.call(hang, seconds)
    with pytest.raises(TimeoutError, match="too many"):
        limited.call(hang, 0.01)
    assert len(made) == 2
    leave.set()
    for _ in range(1000):
        try:
            assert limited.call(lambda: 1, 60) == 1
            return
        except TimeoutError:
            threading.Event().wait(0.01)
    raise AssertionError("calls that have ended still take up room")


def test_calls_that_end_are_not_limited() -> None:
    limited, made = TimedCalls(2), []

    def call() -> None:
        made.append(limited.call(lambda: threading.Event().wait(0.001), 60))

    threads = [threading.Thread(target=call) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 40


def test_thread_is_reused_and_does_not_delay_the_end_of_the_process() -> None:
    limited = TimedCalls(1)
    first, second = (limited.call(threading.current_thread, 60) for _ in range(2))
    assert first is second
    assert first.daemon


def test_call_fails_without_using_a_slot_when_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    limited = TimedCalls(1)
    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", fail)
        for _ in range(2):
            with pytest.raises(TimeoutError, match="can't start new thread"):
                limited.call(lambda: 1, 5)
    assert limited.call(lambda: 1, 60) == 1
