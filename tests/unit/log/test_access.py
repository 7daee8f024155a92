# SPDX-License-Identifier: Apache-2.0
"""Who may read the journal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

import pytest

from eic_sshd.log.access import NoJournal, require_journal
from eic_sshd.log.reader import CannotRead

MACHINE = "m" * 32


def system(root: Path, *files: str, machine: str = MACHINE) -> str:
    (root / "etc").mkdir()
    (root / "etc/machine-id").write_text(MACHINE + "\n")
    for name in files:
        path = root / name.format(machine=machine)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return str(root)


@pytest.mark.parametrize(
    "files",
    [
        ["var/log/journal/{machine}/system.journal"],
        ["run/log/journal/{machine}/system.journal"],
        ["var/log/journal/{machine}/system.journal", "var/log/journal/{machine}/system@1-2-3.journal"],
    ],
)
def test_journal_of_the_system_is_accepted(tmp_path: Path, files: List[str]) -> None:
    require_journal(system(tmp_path, *files))


@pytest.mark.parametrize("files", [[], ["var/log/journal/{machine}/user-1000.journal"], ["var/log/journal"]])
def test_system_without_a_journal_is_reported(tmp_path: Path, files: List[str]) -> None:
    with pytest.raises(NoJournal, match="this system has none"):
        require_journal(system(tmp_path, *files))


def test_journal_of_another_machine_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoJournal):
        require_journal(system(tmp_path, "var/log/journal/{machine}/system.journal", machine="o" * 32))


def test_system_without_a_machine_id_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CannotRead, match="machine-id"):
        require_journal(str(tmp_path))


@pytest.mark.parametrize("denied", ["system.journal", "system@1-2-3.journal", MACHINE])
def test_user_who_sees_only_his_own_entries_is_refused(tmp_path: Path, denied: str) -> None:
    names = ("system.journal", "system@1-2-3.journal", "user-1000.journal")
    root = system(tmp_path, *(f"var/log/journal/{{machine}}/{name}" for name in names))
    with pytest.raises(CannotRead, match="sees only its own entries"):
        require_journal(root, lambda path: os.path.basename(path) != denied)
