# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
from typing import Dict

import pytest

from eic_sshd.cli.output import report, style


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("environment", [{"TERM": "xterm"}, {"TERM": "linux", "NO_COLOR": ""}], ids=str)
def test_text_on_a_terminal_has_the_colour_of_its_kind(environment: Dict[str, str]) -> None:
    assert style("ok", "ok", Terminal(), environment) == "\x1b[32mok\x1b[0m"
    assert style("no", "problem", Terminal(), environment) == "\x1b[31mno\x1b[0m"


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {}, {"TERM": "xterm", "NO_COLOR": "0"}], ids=str)
def test_terminal_without_colours_or_with_no_color_set_gets_plain_text(environment: Dict[str, str]) -> None:
    assert style("ok", "ok", Terminal(), environment) == "ok"


def test_text_that_is_not_for_a_terminal_is_plain() -> None:
    assert style("ok", "ok", io.StringIO(), {"TERM": "xterm"}) == "ok"


def test_report_escapes_what_controls_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    report("/etc/x:1: the line \x1b[2J\nis wrong")
    assert capfd.readouterr().out == "eic-sshd: /etc/x:1: the line \\x1b[2J\\nis wrong\n"
