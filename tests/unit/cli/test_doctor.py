# SPDX-License-Identifier: Apache-2.0
"""The arguments of `eic-sshd doctor`, and what it redacts."""

from __future__ import annotations

import argparse
from typing import List

import pytest

from eic_sshd.cli import doctor
from eic_sshd.diagnose.check import ABOUT, Check, Result
from eic_sshd.diagnose.checklist import Question, checks
from eic_sshd.diagnose.finding import Finding, error
from eic_sshd.diagnose.root_cause import diagnose
from eic_sshd.model.redaction import Redaction
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from eic_sshd.sshd.site import Site


def parsed(arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    doctor.configure(parser)
    return parser.parse_args(arguments.split())


def chosen(arguments: str) -> List[str]:
    return [name for name in ABOUT if doctor._is_chosen(name, parsed(arguments))]


def test_all_checks_are_made_unless_some_are_chosen() -> None:
    assert chosen("") == list(ABOUT)
    assert chosen("--only imds --only clock") == ["imds", "clock"]
    assert chosen("--skip imds") == [name for name in ABOUT if name != "imds"]
    assert chosen("--only imds --only clock --skip clock") == ["imds"]


@pytest.mark.parametrize(
    "arguments", ["--only nonsense", "--skip nonsense", "--fail-on nonsense", "--fail-on error", "--addr 300.0.0.1"]
)
def test_wrong_arguments_end_with_status_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parsed(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err != ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--addr 192.0.2.7", "--addr: it needs --user."),
        ("--only login", "--only login: it needs --user."),
        ("--only imds --only login", "--only login: it needs --user."),
        ("--only imds --skip imds", "--only, --skip: no check is left to make."),
        ("--user alice --only login --skip login", "--only, --skip: no check is left to make."),
        (" ".join(f"--skip {name}" for name in ABOUT if name != "login"), "--only, --skip: no check is left to make."),
    ],
)
@pytest.mark.parametrize("form", ["", " --json"])
def test_arguments_that_leave_nothing_to_look_at_are_wrong(
    arguments: str, message: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(parsed(arguments + form)) == 2
    assert capsys.readouterr() == ("", f"eic-sshd: {message}\n")


def test_the_checks_of_a_machine_have_the_documented_names_in_their_order() -> None:
    site = Site(Sshd(), Processes())
    names = [one.name for one in checks(Question(site, "alice"))]
    assert names == list(ABOUT)
    assert [one.name for one in checks(Question(site))] == names[:-1]


def test_redaction_leaves_codes_and_commands_that_name_nobody() -> None:
    found = error(
        "nologin", "alice", "arn:aws:iam::123456789012:user/x came from 198.51.100.7", "Run `rm /run/nologin`"
    )
    diagnosis = doctor._redacted(diagnose([Result("login", found)]), Redaction("alice").text)
    (shown,) = diagnosis.shown
    assert (shown.check, shown.finding.code, shown.finding.command) == ("login", "nologin", "rm /run/nologin")
    assert shown.finding.text() == "<user-1>: <arn-1> came from <address-1>. Run `rm /run/nologin`."
    assert diagnosis.root_cause == shown


@pytest.mark.parametrize(("fail_on", "status"), [("problem", 0), ("warning", 1)])
def test_what_is_unknown_counts_as_a_warning(
    fail_on: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> List[Finding]:
        raise RuntimeError("x")

    monkeypatch.setattr("eic_sshd.diagnose.checklist.checks", lambda _: [Check("clock", fails, "right")])
    assert doctor.run(parsed(f"--fail-on {fail_on}")) == status
    assert "unknown  clock: the check failed" in capsys.readouterr().out
