# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import pytest

from eic_sshd.limited import Limited


def test_what_a_call_gives_is_given() -> None:
    assert Limited().call(lambda: "given", 60) == "given"
    assert Limited().call(lambda: None, 60) is None


@pytest.mark.parametrize("error", [OSError(5, "odd"), ValueError("odd"), SystemExit(1)])
def test_what_a_call_raises_is_raised(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        Limited().call(fail, 60)
    assert caught.value is error


def test_a_call_that_hangs_is_given_up_and_only_so_many_at_once() -> None:
    limited, leave, made = Limited(2), threading.Event(), []

    def hang() -> None:
        made.append(1)
        leave.wait(60)

    for _ in range(2):
        with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
            limited.call(hang, 0.01)
    with pytest.raises(TimeoutError, match="too many"):
        limited.call(hang, 60)
    assert len(made) == 2
    leave.set()
    for _ in range(1000):
        try:
            assert limited.call(lambda: 1, 60) == 1
            return
        except TimeoutError:
            threading.Event().wait(0.01)
    raise AssertionError("calls that have ended still take up room")
