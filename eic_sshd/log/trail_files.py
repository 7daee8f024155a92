# SPDX-License-Identifier: Apache-2.0
"""Reads CloudTrail's events from a file, or from all files of a folder."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from typing import Iterator

from ..host.errors import MachineError
from .trail import NotATrail, Trail, parse

_FILE_LIMIT = 256 * 1024 * 1024  # bytes of one file, decompressed
_MAX_FILES = 100_000
_SUFFIXES = (".json", ".json.gz")


class UnreadableTrail(MachineError):
    """A file has no CloudTrail events, or cannot be read."""


def read(path: str, limit: int = _FILE_LIMIT) -> Trail:
    """The events of the file at `path`, or of all `.json` and `.json.gz` files below that folder.

    A file may have `limit` bytes, decompressed.

    Raises UnreadableTrail.
    """
    trail = Trail()
    count = 0
    for file in _files(path):
        count += 1
        if count > _MAX_FILES:
            raise UnreadableTrail(path, f"more than {_MAX_FILES} files", "Name a folder of fewer days")
        trail = trail.plus(_read_file(file, limit))
    if count == 0:
        raise UnreadableTrail(path, "no .json or .json.gz file in it", "Name a file or folder of CloudTrail's")
    return trail


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(_SUFFIXES))


def _read_file(path: str, limit: int) -> Trail:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableTrail(path, "not a regular file")
            if file.read(2) == b"\x1f\x8b":
                file.seek(0)
                with gzip.open(file) as plain:
                    content = plain.read(limit + 1)
            else:
                file.seek(0)
                content = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableTrail(path, getattr(error, "strerror", None) or str(error)) from None
    if len(content) > limit:
        raise UnreadableTrail(path, f"longer than {limit} bytes")
    try:
        return parse(content)
    except NotATrail as problem:
        remedy = "It takes CloudTrail's log files, or the output of `aws cloudtrail lookup-events`"
        raise UnreadableTrail(path, str(problem), remedy) from None
