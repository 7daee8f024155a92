# SPDX-License-Identifier: Apache-2.0
"""What `eic-sshd doctor` prints for people, and the form of its JSON."""

from __future__ import annotations

import io
import json

import pytest

from eic_sshd import __version__
from eic_sshd.cli._doctor_output import as_json, lines
from eic_sshd.diagnose.check import Result
from eic_sshd.diagnose.finding import Finding, Severity, error, ok, unknown, warning
from eic_sshd.diagnose.root_cause import diagnose

LONG = "sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config && eic-sshd enable --chain"
OTHER = error(
    "other-command",
    "/etc/ssh/sshd_config.d/10-site.conf:1",
    "sshd runs another AuthorizedKeysCommand and not eic-sshd (/usr/bin/true %u)",
    "Run `eic-sshd enable --chain` to put eic-sshd in front of the existing command (eic-sshd then runs both)",
)
DIAGNOSIS = diagnose(
    [
        Result("program", ok("ok", "program", "installed")),
        Result("sshd", OTHER),
        Result("settings", error("x", "/f", "it is wrong", f"Run `{LONG}`")),
        Result("services", error("socket-unit-inactive", "eic-sshd.socket", "the unit is not listening")),
        Result("clock", unknown("no-answer", "clock", "the check did not end in time")),
        Result("records", warning("y", "the log", "something \x1b[2J", "Look at it")),
    ]
)
SCREEN = """\
ok       program: installed
problem  sshd: /etc/ssh/sshd_config.d/10-site.conf:1: sshd runs another
         AuthorizedKeysCommand and not eic-sshd (/usr/bin/true %u)
         Run `eic-sshd enable --chain` to put eic-sshd in front of the existing
         command (eic-sshd then runs both).
         fix: eic-sshd enable --chain
problem  settings: /f: it is wrong
         fix: LONG
unknown  clock: the check did not end in time
warning  records: the log: something \\x1b[2J
         Look at it.

2 problems, 1 warning, 1 unknown, 1 ok; hidden, because they follow from these:
1. Root cause: other-command (sshd).
"""


def test_lines_for_people() -> None:
    assert "".join(f"{line}\n" for line in lines(DIAGNOSIS, 80, io.StringIO())) == SCREEN.replace("LONG", LONG)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_only_a_command_is_longer_than_the_screen(width: int) -> None:
    assert [line for line in lines(DIAGNOSIS, width, io.StringIO()) if len(line) > width and "fix:" not in line] == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_terminal_shows_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31mproblem\x1b[0m  sshd: " in "\n".join(lines(DIAGNOSIS, 80, Terminal()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(lines(DIAGNOSIS, 80, Terminal()))


def test_form_of_the_json() -> None:
    """A change of what is here breaks programs: docs/doctor.md promises that nothing changes its meaning."""
    found = json.loads(json.dumps(as_json(DIAGNOSIS, is_root=True)))
    findings = found.pop("findings")
    assert found == {
        "form": 1,
        "version": __version__,
        "as_root": True,
        "status": "problem",
        "root_cause": "other-command",
    }
    assert findings[1] == {
        "check": "sshd",
        "code": "other-command",
        "status": "problem",
        "subject": OTHER.subject,
        "problem": OTHER.problem,
        "remedy": OTHER.remedy,
        "command": "eic-sshd enable --chain",
        "hidden_by": None,
    }
    assert [(one["status"], one["hidden_by"]) for one in findings] == [
        ("ok", None),
        ("problem", None),
        ("problem", None),
        ("problem", "other-command"),
        ("unknown", None),
        ("warning", None),
    ]


@pytest.mark.parametrize(
    ("severities", "status"),
    [
        ([Severity.OK], "ok"),
        ([Severity.OK, Severity.UNKNOWN], "unknown"),
        ([Severity.UNKNOWN, Severity.WARNING], "warning"),
        ([Severity.WARNING, Severity.PROBLEM], "problem"),
        ([], "ok"),
    ],
)
def test_status_is_the_worst_of_the_findings(severities: list[Severity], status: str) -> None:
    diagnosis = diagnose([Result("clock", Finding(f"c{n}", one, "s", "p")) for n, one in enumerate(severities)])
    assert as_json(diagnosis, is_root=False)["status"] == status
