# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
import threading

import pytest

from eic_sshd.diagnose import libraries as diagnose_libraries
from eic_sshd.host import libraries
from eic_sshd.model.outcome import Outcome
from eic_sshd.model.reasons import NotGranted, Reason


class Panic(BaseException):
    """As pyo3's PanicException: no Exception."""


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'cryptography'"),
        ImportError("undefined symbol: _PyErr_SetKeyError"),
        AttributeError("module 'collections' has no attribute 'Mapping'"),
        SyntaxError("invalid syntax"),
        RuntimeError("of another version"),
        Panic("Python API call failed"),
    ],
)
def test_library_that_does_not_load_is_a_refusal_that_names_the_interpreter(error: BaseException) -> None:
    with pytest.raises(NotGranted) as caught, libraries.loading():
        raise error
    assert caught.value.reason is Reason.LIBRARY_UNUSABLE
    assert caught.value.reason.outcome is Outcome.ERROR
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]}" in caught.value.detail
    assert str(error) in caught.value.detail


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), NotGranted(Reason.CONFIG_INVALID, "x")])
def test_exceptions_that_no_library_caused_are_not_converted(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, libraries.loading():
        raise error
    assert caught.value is error


def test_only_one_thread_at_a_time_loads_libraries() -> None:
    inside, leave, second = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with libraries.loading():
            inside.set()
            leave.wait(60)

    def other() -> None:
        with libraries.loading():
            second.set()

    threads = [threading.Thread(target=first), threading.Thread(target=other)]
    threads[0].start()
    assert inside.wait(60)
    threads[1].start()
    assert not second.wait(0.1)
    leave.set()
    assert second.wait(60)
    for thread in threads:
        thread.join()


def test_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "systemd", None)
    (finding,) = diagnose_libraries.problems()
    assert finding.code == "library-unusable"
    assert finding.subject == "systemd.daemon"
    assert "python3-systemd" in finding.remedy
    assert "/usr/bin/python3" in finding.remedy
