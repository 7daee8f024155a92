# SPDX-License-Identifier: Apache-2.0
"""The file of JSON lines, and who may have written it."""

from __future__ import annotations

import gzip
import itertools
import os
from pathlib import Path
from typing import Iterable, List, Optional, Tuple

import pytest

from eic_sshd.log import record, sinks
from eic_sshd.log.entries import Entry
from eic_sshd.log.reader import CannotRead
from eic_sshd.log.record_file import RecordFile

from .decisions import GRANTED
from .journal import SECOND
from .json_lines import line

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


def at(folder: Path, name: str, *times: int, gz: bool = False) -> Path:
    """A file with records of these times, in seconds, which was last changed then."""
    path = folder / name
    lines = "".join(line(one * SECOND) for one in times).encode()
    path.write_bytes(gzip.compress(lines) if gz else lines)
    path.chmod(0o640)
    if times:
        os.utime(path, (times[-1], times[-1]))
    return path


def seconds(entries: Iterable[Optional[Entry]]) -> List[Optional[int]]:
    return [None if entry is None else entry.at // SECOND for entry in entries]


@pytest.mark.parametrize(
    "names",
    [
        ("records.2.gz", "records.1"),
        ("records-20251101.gz", "records-20251108"),
        ("records-2025110112-1.gz", "records-2025110113"),
    ],
)
def test_rotated_files_are_read_from_the_oldest_on(tmp_path: Path, names: Tuple[str, str]) -> None:
    at(tmp_path, names[0], 10, 11, gz=True)
    at(tmp_path, names[1], 20, 21)
    at(tmp_path, "records", 30)
    at(tmp_path, "records-old", 99)
    file = RecordFile("/records", ME, str(tmp_path))
    assert seconds(file.entries()) == [10, 11, 20, 21, 30]
    assert seconds(file.entries(21 * SECOND)) == [21, 30]
    assert seconds(file.entries(30 * SECOND)) == [30]
    assert seconds(itertools.islice(file.follow(20 * SECOND), 4)) == [20, 21, 30, None]


def test_rotated_file_with_the_extension_at_its_end_is_read(tmp_path: Path) -> None:
    at(tmp_path, "records-20251101.json", 10)
    at(tmp_path, "records.json", 20)
    assert seconds(RecordFile("/records.json", ME, str(tmp_path)).entries()) == [10, 20]


def test_rotated_file_that_is_being_compressed_is_read_once(tmp_path: Path) -> None:
    at(tmp_path, "records.1", 10)
    at(tmp_path, "records.1.gz", 10, gz=True)
    at(tmp_path, "records", 20)
    assert seconds(RecordFile("/records", ME, str(tmp_path)).entries()) == [10, 20]


def test_file_without_a_record_since_it_was_rotated_is_not_missing(tmp_path: Path) -> None:
    at(tmp_path, "records.1", 10)
    file = RecordFile("/records", ME, str(tmp_path))
    assert seconds(file.entries()) == [10]
    followed = file.follow(0)
    assert seconds([next(followed), next(followed)]) == [10, None]
    at(tmp_path, "records", 20)
    assert seconds([next(followed), next(followed)]) == [20, None]


def test_rotated_file_that_another_user_could_have_written_is_refused(tmp_path: Path) -> None:
    at(tmp_path, "records", 20)
    at(tmp_path, "records.1", 10).chmod(0o666)
    with pytest.raises(CannotRead, match="writable by others"):
        list(RecordFile("/records", ME, str(tmp_path)).entries())


def test_damaged_rotated_file_is_reported(tmp_path: Path) -> None:
    at(tmp_path, "records", 20)
    path = at(tmp_path, "records.1.gz", 10, 11, gz=True)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CannotRead, match=r"records\.1\.gz"):
        list(RecordFile("/records", ME, str(tmp_path)).entries())


def test_file_that_is_renamed_and_created_is_followed(tmp_path: Path) -> None:
    path = at(tmp_path, "records", 10)
    followed = RecordFile("/records", ME, str(tmp_path)).follow(0)
    assert seconds([next(followed), next(followed)]) == [10, None]
    path.rename(tmp_path / "records.1")
    assert next(followed) is None
    with open(tmp_path / "records.1", "a") as file:
        file.write(line(11 * SECOND))
    at(tmp_path, "records", 12)
    assert seconds([next(followed), next(followed), next(followed)]) == [11, 12, None]


def test_file_that_is_copied_and_truncated_is_followed(tmp_path: Path) -> None:
    path = at(tmp_path, "records", 10, 11)
    followed = RecordFile("/records", ME, str(tmp_path)).follow(0)
    assert seconds([next(followed), next(followed), next(followed)]) == [10, 11, None]
    os.truncate(path, 0)
    with open(path, "a") as file:
        file.write(line(12 * SECOND))
    assert seconds([next(followed), next(followed)]) == [12, None]


@pytest.mark.parametrize(
    ("rotated", "known"), [(None, None), ("records.1", 10), ("records.1.xz", 20), ("other.1", None)]
)
def test_begin_of_the_records_is_known_where_the_file_was_rotated(
    tmp_path: Path, rotated: Optional[str], known: Optional[int]
) -> None:
    at(tmp_path, "records", 20)
    if rotated:
        at(tmp_path, rotated, 10)
    found = RecordFile("/records", ME, str(tmp_path)).known_since()
    assert found == (None if known is None else known * SECOND)
