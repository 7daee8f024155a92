# SPDX-License-Identifier: Apache-2.0
"""A step of the tour that has another result than it must have ends the tour."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.tour_shell import Machine, Unexpected


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine("here$", [], {"PATH": os.environ["PATH"]}, str(tmp_path))


def test_command_is_shown_with_its_output(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.succeed("echo one; \\\necho two >&2", "one\ntwo")
    shown = capsys.readouterr().out
    assert shown == "    here$ echo one; \\\n        echo two >&2\n      one\n      two\n"


def test_long_line_is_folded_and_still_matched_as_one(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.succeed("echo $(seq 100)", r"^1 2 .* 100$")
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_last_line_without_an_end_is_shown(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.succeed("printf end", "^end$")
    assert capsys.readouterr().out.endswith("      end\n")


@pytest.mark.parametrize(
    ("command", "expected", "ok", "problem"),
    [
        ("echo granted; false", "granted", True, "must succeed: status 1"),
        ("echo refused", "refused", False, "must fail: status 0"),
        ("echo granted", "refused", True, "must print 'refused': 'granted'"),
        ("echo granted; false", "refused", False, "must print 'refused': 'granted'"),
        ("true", ".", True, "must print"),
    ],
)
def test_other_result_than_expected_is_an_error(
    machine: Machine, command: str, expected: str, ok: bool, problem: str
) -> None:
    with pytest.raises(Unexpected, match=problem):
        (machine.succeed if ok else machine.fail)(command, expected)


def test_changed_environment_is_returned(machine: Machine) -> None:
    assert machine.evaluate("export NEW='a\nb'")["NEW"] == "a\nb"
