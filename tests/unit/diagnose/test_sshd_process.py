# SPDX-License-Identifier: Apache-2.0
"""What a running sshd has not read."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import List

import pytest

from eic_sshd.diagnose.sshd_process import ChangedFile, RunningSshd, findings, started_at

NOW = 1_700_000_000.0
RUNNING = RunningSshd(7, NOW - 100, "systemctl reload ssh.service")


def codes(running: List[RunningSshd], *changed: float, by_socket: bool = False) -> List[str]:
    files = [ChangedFile(f"/etc/ssh/{number}", at) for number, at in enumerate(changed)]
    return [one.code for one in findings(running, files, NOW, by_socket)]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ([], "sshd-current"),
        ([NOW - 200], "sshd-current"),
        ([NOW - 99.5], "sshd-current"),
        ([NOW - 90], "sshd-not-reloaded"),
        ([NOW - 200, NOW - 1], "sshd-not-reloaded"),
        ([NOW + 3600], "sshd-current"),  # the clock was set back since
    ],
)
def test_a_file_that_is_newer_than_the_last_reading_is_not_read(changed: List[float], code: str) -> None:
    assert codes([RUNNING], *changed) == [code]


def test_the_finding_has_the_command_the_file_and_the_times() -> None:
    (found,) = findings([RUNNING], [ChangedFile("/etc/ssh/sshd_config", NOW - 3)], NOW)
    assert found.command == "systemctl reload ssh.service"
    assert "/etc/ssh/sshd_config was changed 3 s ago, sshd read it 100 s ago" in found.text()


def test_each_of_two_sshds_is_a_finding() -> None:
    assert codes([RUNNING, RUNNING._replace(pid=8)], NOW - 1) == ["sshd-not-reloaded"] * 2


def test_no_sshd_that_listens_is_a_warning_unless_systemd_starts_one() -> None:
    assert codes([], NOW) == ["sshd-not-running"]
    assert codes([], NOW, by_socket=True) == ["sshd-current"]


def test_the_start_of_a_process_is_known() -> None:
    before = time.time()
    with subprocess.Popen(["sleep", "60"]) as process:
        found = started_at("/proc", process.pid)
        process.kill()
    assert before - 1 <= found <= time.time() + 1


@pytest.mark.parametrize("stat", [b"", b"1 (x) S", b"1 (x) " + b"y " * 30])
def test_a_process_that_has_ended_or_is_unreadable_began_at_zero(tmp_path: Path, stat: bytes) -> None:
    assert started_at(str(tmp_path), 1) == 0.0
    os.mkdir(tmp_path / "1")
    (tmp_path / "1/stat").write_bytes(stat)
    assert started_at(str(tmp_path), 1) == 0.0
