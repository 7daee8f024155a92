# SPDX-License-Identifier: Apache-2.0
"""A folder for one user alone is made, never taken over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eic_sshd.host.errors import MachineError
from eic_sshd.host.new_folder import NewFolder


def test_folder_or_link_that_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "link"):
        with pytest.raises(MachineError, match="it exists already"):
            NewFolder.create(str(tmp_path / name))
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["missing/folder", "nul\0"])
def test_folder_that_cannot_be_made_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(MachineError, match="the folder cannot be made"):
        NewFolder.create(str(tmp_path / name))


def test_file_that_is_there_already_is_not_replaced(tmp_path: Path) -> None:
    folder = NewFolder.create(str(tmp_path / "folder"))
    (tmp_path / "folder/a").symlink_to(tmp_path / "target")
    with pytest.raises(MachineError, match="folder/a: File exists"):
        folder.write("a", b"text")
    folder.close()
    assert not (tmp_path / "target").exists()


def test_incomplete_folder_is_removed_with_what_was_written(tmp_path: Path) -> None:
    folder = NewFolder.create(str(tmp_path / "folder"))
    folder.write("a", b"text")
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_stay_when_the_folder_is_removed(tmp_path: Path) -> None:
    folder = NewFolder.create(str(tmp_path / "folder"))
    folder.write("a", b"text")
    (tmp_path / "folder/b").write_text("not ours")
    folder.remove()
    assert os.listdir(tmp_path / "folder") == ["b"]
