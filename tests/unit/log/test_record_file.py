# SPDX-License-Identifier: Apache-2.0
"""The file of JSON lines, and who may have written it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Tuple

import pytest

from eic_sshd.log import record, sinks
from eic_sshd.log.reader import CannotRead
from eic_sshd.log.record_file import RecordFile

from .decisions import GRANTED

ME = (os.getuid(),)


def written(folder: Path, count: int = 1) -> Path:
    path = folder / "records"
    for _ in range(count):
        sinks.to_file(record.of(GRANTED), str(path))
    return path


def test_records_that_eic_sshd_wrote_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    with open(path, "a") as file:
        file.write("not a record\n" + "x" * 200_000 + "\n")
    sinks.to_file(record.of(GRANTED), str(path))
    found = list(RecordFile("/records", ME, str(tmp_path)).entries())
    assert [entry.fields["reason"] for entry in found] == ["granted"] * 4


def test_records_from_before_are_left_out(tmp_path: Path) -> None:
    written(tmp_path)
    (entry,) = RecordFile("/records", ME, str(tmp_path)).entries()
    assert list(RecordFile("/records", ME, str(tmp_path)).entries(entry.at + 1)) == []
    assert list(RecordFile("/records", ME, str(tmp_path)).entries(entry.at)) == [entry]


def test_records_that_are_added_are_followed(tmp_path: Path) -> None:
    written(tmp_path)
    followed = RecordFile("/records", ME, str(tmp_path)).follow(0)
    assert next(followed) is not None
    assert next(followed) is None
    written(tmp_path)
    assert next(followed) is not None
    assert next(followed) is None


@pytest.mark.parametrize(
    ("mode", "owners", "problem"), [(0o666, ME, "writable by others"), (0o640, (12345,), "owned by uid")]
)
def test_file_that_another_user_could_have_written_is_refused(
    tmp_path: Path, mode: int, owners: Tuple[int, ...], problem: str
) -> None:
    written(tmp_path).chmod(mode)
    with pytest.raises(CannotRead, match=problem):
        list(RecordFile("/records", owners, str(tmp_path)).entries())


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CannotRead, match="No such file"):
        list(RecordFile("/records", ME, str(tmp_path)).entries())
