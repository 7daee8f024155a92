# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from pathlib import Path
from typing import List

import pytest

from eic_sshd.diagnose import key_options
from eic_sshd.sshd.program import Sshd

NOW = 1_800_000_000  # 2027-01-15 08:00:00 UTC


def sshd(tmp_path: Path, prints: str) -> Sshd:
    program = tmp_path / "sshd"
    program.write_text(f"#!/bin/sh\necho '{prints}' >&2\nexit 1\n")
    program.chmod(0o755)
    return Sshd(str(program))


def codes(options: str, program: Sshd, now: float = NOW) -> List[str]:
    return [finding.code for finding in key_options.problems(options, now, program)]


@pytest.mark.parametrize(
    ("options", "now", "expired"),
    [
        ("", NOW, False),
        ("restrict", NOW, False),
        ('expiry-time="20270115080001Z"', NOW, False),
        ('expiry-time="20270115080000Z"', NOW, True),
        ('restrict,expiry-time="202701150759Z",pty', NOW, True),
        ('expiry-time="20270116Z"', NOW, False),
        ('expiry-time="20270115Z"', NOW, True),
        ('expiry-time="20270115080000"', time.mktime((2027, 1, 15, 8, 0, 0, 0, 0, -1)) - 1, False),
        ('expiry-time="20270115080000"', time.mktime((2027, 1, 15, 8, 0, 0, 0, 0, -1)), True),
    ],
)
def test_expiry_time_that_has_passed_is_found(tmp_path: Path, options: str, now: float, expired: bool) -> None:
    assert codes(options, sshd(tmp_path, "OpenSSH_9.9p1"), now) == ["options-expired"] * expired


@pytest.mark.parametrize(
    ("prints", "found"),
    [
        ("OpenSSH_8.7p1, OpenSSL 3.0.7", ["options-not-supported"]),
        ("unknown option -- V\nOpenSSH_8.9p1 Ubuntu-3, OpenSSL 3.0.2", ["options-not-supported"]),
        ("OpenSSH_9.0p1", ["options-not-supported"]),
        ("OpenSSH_9.1p1", []),
        ("OpenSSH_10.0p2 Debian-7, OpenSSL 3.5.1", []),
        ("usage: something", []),
    ],
)
def test_utc_in_expiry_time_needs_openssh_9_1(tmp_path: Path, prints: str, found: List[str]) -> None:
    assert codes('expiry-time="20991231Z"', sshd(tmp_path, prints)) == found
    assert codes('expiry-time="20991231"', sshd(tmp_path, prints)) == []


def test_version_of_an_sshd_that_is_not_there_is_not_known() -> None:
    assert codes('expiry-time="20991231Z"', Sshd("/nonexistent/sshd")) == []
