# SPDX-License-Identifier: Apache-2.0
"""Findings: their text, and their codes, which programs may rely on."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import List

import pytest

from eic_sshd.diagnose.finding import Finding, Severity, error, from_machine_error, warning
from eic_sshd.host.errors import MachineError
from tools.documents import ROOT


def codes() -> List[str]:
    """The first argument of each call of error() and the like in the product."""
    found = []
    for folder in ("diagnose", "setup", "cli"):
        for path in (Path(ROOT) / "eic_sshd" / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                    code = node.args[0]
                    is_finding = node.func.id in ("error", "warning", "unknown", "ok", "from_machine_error", "Obstacle")
                    if is_finding and isinstance(code, ast.Constant):
                        found.append(str(code.value))
    return found


def test_every_code_is_a_word_in_kebab_case() -> None:
    assert len(set(codes())) > 30
    assert [code for code in codes() if not re.fullmatch(r"[a-z]+(-[a-z]+)*", code)] == []


def test_the_text_has_subject_problem_and_remedy() -> None:
    assert error("x", "/file:1", "it is wrong (a)", "Run `b`").text() == "/file:1: it is wrong (a). Run `b`."


def test_the_text_without_a_remedy_ends_after_the_problem() -> None:
    assert warning("x", "/file", "it is wrong").text() == "/file: it is wrong."


def test_an_error_of_the_machine_becomes_a_finding_with_the_same_text() -> None:
    raised = MachineError("/file", "it is wrong", "Correct it")
    found = from_machine_error("x", raised)
    assert found == Finding("x", Severity.PROBLEM, "/file", "it is wrong", "Correct it")
    assert found.text() == str(raised)


def test_a_finding_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        error("x", "y", "z").code = "other"  # type: ignore[misc]
