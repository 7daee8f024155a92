# SPDX-License-Identifier: Apache-2.0
"""Checks run in processes of their own: one that hangs, fails or dies is unknown, and affects no other."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Callable, Iterable, Iterator, List

import pytest

from eic_sshd.diagnose.check import Check, Result, WithoutRoot, run
from eic_sshd.diagnose.finding import Finding, Severity, error, ok, warning

FOUND = error("x", "/file:1", "it is wrong (☃)", "Run `y`")


def check(find: Callable[[], Iterable[Finding]], without_root: WithoutRoot = WithoutRoot.PART) -> Check:
    return Check("sshd", find, "in order", without_root)


def results(find: Callable[[], Iterable[Finding]], seconds: float = 30) -> List[Finding]:
    return [one.finding for one in run([check(find)], seconds, is_root=True)]


def test_findings_arrive_in_order_and_each_once() -> None:
    second = warning("y", "s", "p")
    assert results(lambda: [FOUND, second, FOUND]) == [FOUND, second]


def test_a_check_that_finds_nothing_is_ok() -> None:
    assert results(list) == [Finding("ok", Severity.OK, "sshd", "in order")]


def test_a_check_that_reports_what_is_in_order_is_ok_by_that() -> None:
    assert results(lambda: [ok("fine", "s", "p")]) == [ok("fine", "s", "p")]


def fails() -> Iterator[Finding]:
    yield FOUND
    raise RuntimeError("no such thing")


def test_a_check_that_raises_is_unknown_beside_what_it_has_found() -> None:
    first, second = results(fails)
    assert (first, second.severity) == (FOUND, Severity.UNKNOWN)
    assert "the check failed (RuntimeError: no such thing)" in second.text()


def dies() -> Iterator[Finding]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield FOUND


@pytest.mark.parametrize("find", [dies, lambda: os._exit(0)])
def test_a_check_without_a_whole_answer_is_unknown(find: Callable[[], Iterable[Finding]]) -> None:
    (found,) = results(find)
    assert (found.code, found.severity) == ("no-answer", Severity.UNKNOWN)
    assert "ended without a whole answer" in found.problem


def then(what: Callable[[], object]) -> Callable[[], Iterator[Finding]]:
    def find() -> Iterator[Finding]:
        yield FOUND
        what()
        yield warning("y", "s", "p")

    return find


def test_what_a_check_found_before_it_dies_is_kept() -> None:
    first, second = results(then(lambda: os._exit(1)))
    assert (first, second.code) == (FOUND, "no-answer")


def test_what_a_check_found_before_it_hangs_is_kept() -> None:
    first, second = results(then(lambda: time.sleep(3600)), 3)
    assert (first, second.problem) == (FOUND, "the check did not end in time")


def floods() -> Iterator[Finding]:
    yield FOUND
    yield error("x", "s", "p" * 1_000_000)


def test_a_check_with_too_long_findings_is_unknown_for_that_reason_and_keeps_the_others() -> None:
    first, second = results(floods)
    assert (first, second.severity) == (FOUND, Severity.UNKNOWN)
    assert (second.code, second.problem) == ("findings-cut", "its findings are longer than 256 KiB")


def test_a_check_with_too_many_findings_is_cut_off_and_unknown() -> None:
    found = results(lambda: (error("x", str(number), "p") for number in range(10_000)))
    assert [one.subject for one in found[:-1]] == [str(number) for number in range(100)]
    assert (found[-1].code, found[-1].problem) == ("findings-cut", "it has more than 100 findings")


def test_a_check_that_hangs_is_unknown_and_its_processes_end_while_others_have_their_answers() -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)  # sleep has it too

    def hang() -> Iterator[Finding]:
        subprocess.run(["sleep", "3600"], check=True, close_fds=False)
        yield FOUND

    found = run([check(hang), Check("clock", lambda: [FOUND], "right")], 3, is_root=True)
    os.close(writing)
    assert [(one.check, one.finding.code) for one in found] == [("sshd", "no-answer"), ("clock", "x")]
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b""  # it ends once no process has the other end


def test_checks_run_at_the_same_time() -> None:
    reading, writing = os.pipe()

    def waits() -> Iterator[Finding]:
        yield error("x", "s", os.read(reading, 10).decode())

    def answers() -> Iterator[Finding]:
        os.write(writing, b"now")
        yield FOUND

    found = run([check(waits), Check("clock", answers, "right")], 60, is_root=True)
    assert [one.finding.problem for one in found] == ["now", FOUND.problem]


@pytest.mark.parametrize(
    ("without_root", "code"),
    [(WithoutRoot.ALL, "ok"), (WithoutRoot.PART, "needs-root"), (WithoutRoot.NOTHING, "needs-root")],
)
def test_what_only_root_can_see_is_unknown_to_others(without_root: WithoutRoot, code: str) -> None:
    (result,) = run([check(list, without_root)], 30, is_root=False)
    assert result.finding.code == code
    assert (result.finding.severity is Severity.UNKNOWN) is (code == "needs-root")


def test_what_is_in_order_is_unknown_to_others_where_they_see_a_part_only() -> None:
    (result,) = run([check(lambda: [ok("fine", "/file", "it is right")])], 30, is_root=False)
    assert result.finding.text() == "/file: it is right, as far as this user can see. Run it as root."


def test_no_variable_of_the_environment_reaches_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1")
    assert results(lambda: [error("x", "s", str(dict(os.environ)))])[0].problem == "{}"


def test_a_check_for_root_alone_does_not_run_for_others() -> None:
    (result,) = run([check(lambda: [FOUND], WithoutRoot.NOTHING)], 30, is_root=False)
    assert result == Result("sshd", result.finding)
    assert result.finding.code == "needs-root"


def test_a_finding_of_another_user_is_reported_as_it_is() -> None:
    (result,) = run([check(lambda: [FOUND])], 30, is_root=False)
    assert result.finding == FOUND


def test_no_check_writes_to_the_streams(capfd: pytest.CaptureFixture[str]) -> None:
    def prints() -> Iterator[Finding]:
        print("noise")
        os.write(2, b"noise")
        yield FOUND

    results(prints)
    assert capfd.readouterr() == ("", "")
