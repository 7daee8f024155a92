# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from eic_sshd.decide.chained_command import MESSAGE_ID
from eic_sshd.model.outcome import Outcome
from eic_sshd.model.reasons import Reason
from tools.catalog import catalog

IDS = {*(outcome.message_id for outcome in Outcome), MESSAGE_ID}


def entry(message_id: str) -> str:
    return catalog().partition(f"\n-- {message_id}\n")[2].partition("\n-- ")[0]


def test_catalogue_has_one_entry_for_each_kind_of_record() -> None:
    found = re.findall("^-- (.*)$", catalog(), re.MULTILINE)
    assert sorted(found) == sorted(IDS)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.word)
def test_entry_of_a_records_kind_has_what_to_do_about_its_reason(reason: Reason) -> None:
    text = " ".join(entry(reason.outcome.message_id).split())
    assert reason.remedy.split(". ")[0] in text


def test_catalogue_has_journalctl_fill_in_no_field_that_any_user_can_write() -> None:
    """It would print a forged field with its control characters and newlines."""
    assert re.findall("@[A-Z_]+@", catalog()) == []


def test_journalctl_reads_the_catalogue(tmp_path: Path) -> None:
    if shutil.which("journalctl") is None:
        pytest.skip("journalctl is not installed")
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    (folder / "eic-sshd.catalog").write_text(catalog())
    subprocess.run(["journalctl", f"--root={tmp_path}", "--update-catalog"], check=True, timeout=20)
    command = ["journalctl", f"--root={tmp_path}", "--list-catalog"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert {line.split(" ")[0] for line in done.stdout.splitlines()} == IDS
    assert "eic-sshd: A pushed key was handed to sshd" in done.stdout
