# SPDX-License-Identifier: Apache-2.0
"""Files and folders of CloudTrail's events."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Callable, Iterator, List, Tuple

import pytest

from eic_sshd.log.trail_files import UnreadableTrail, read

from .trail_events import event


def write(path: Path, *ids: str) -> None:
    content = json.dumps({"Records": [event(one) for one in ids]}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("name", ["events.json", "events.json.gz", "events", "lookup.txt"])
def test_file_of_any_name_is_read(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, "r-1")
    assert [push.request_id for push in read(str(tmp_path / name)).pushes] == ["r-1"]


def test_folder_is_read_with_the_folders_in_it(tmp_path: Path) -> None:
    write(tmp_path / "2026/11/29/a.json.gz", "r-1", "r-2")
    write(tmp_path / "2026/11/30/b.json", "r-3")
    (tmp_path / "readme.txt").write_text("not JSON")
    (tmp_path / "2026/11/30/empty.json").write_text("")
    (tmp_path / "CloudTrail-Digest").mkdir()
    (tmp_path / "CloudTrail-Digest/d.json.gz").write_bytes(gzip.compress(b'{"digestStartTime": "x", "logFiles": []}'))
    assert sorted(push.request_id for push in read(str(tmp_path)).pushes) == ["r-1", "r-2", "r-3"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"x", "not JSON"),
        (b"{}", "no `Records`"),
        (b"", "it is empty"),
        (b'{"digestStartTime": "x"}', "it is a digest"),
        (b"\x1f\x8b", "end-of-stream"),
        (b"\x1f\x8bxxxxxxxxxxxxxxxxxxxx", "compression method"),
        (gzip.compress(b"{}", mtime=0)[:-4], "end-of-stream"),
    ],
)
def test_file_without_events_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "trail.json"
    path.write_bytes(content)
    with pytest.raises(UnreadableTrail, match=problem) as raised:
        read(str(path))
    assert str(path) in str(raised.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTrail, match="No such file"):
        read(str(tmp_path / "missing.json"))


def test_folder_without_a_trail_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTrail, match=r"no \.json"):
        read(str(tmp_path))


def test_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    def walk(path: str, onerror: Callable[[OSError], None]) -> Iterator[Tuple[str, List[str], List[str]]]:
        yield path, ["closed"], ["a.json"]
        onerror(PermissionError(13, "Permission denied", f"{path}/closed"))

    write(tmp_path / "a.json", "r-1")
    with pytest.raises(UnreadableTrail, match="closed: Permission denied"):
        read(str(tmp_path), walk=walk)


def test_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(UnreadableTrail, match="not a regular file"):
        read(str(tmp_path))


def test_file_that_becomes_huge_when_it_is_decompressed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b" " * 2000))
    with pytest.raises(UnreadableTrail, match="longer than"):
        read(str(tmp_path), limit=1000)
