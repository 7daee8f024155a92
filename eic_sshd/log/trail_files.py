# SPDX-License-Identifier: Apache-2.0
"""Reads CloudTrail's events from a file, or from all files of a folder."""

from __future__ import annotations

import contextlib
import gzip
import os
import stat
import zlib
from typing import Callable, Iterator, List, Tuple

from ..host.errors import MachineError
from .trail import NoEvents, NotATrail, Trail, joined, parse

_FILE_LIMIT = 256 * 1024 * 1024  # bytes of one file, decompressed
_MAX_FILES = 100_000
_SUFFIXES = (".json", ".json.gz")


Walk = Callable[[str, Callable[[OSError], None]], Iterator[Tuple[str, List[str], List[str]]]]
"""os.walk() of a folder; the second argument is its `onerror`."""


def _walk(path: str, onerror: Callable[[OSError], None]) -> Iterator[Tuple[str, List[str], List[str]]]:
    return os.walk(path, onerror=onerror)


class UnreadableTrail(MachineError):
    """A file has no CloudTrail events, or cannot be read."""


class _NothingInIt(UnreadableTrail):
    """The file is empty, or a digest: a folder of CloudTrail's may have such files."""


def read(path: str, limit: int = _FILE_LIMIT, walk: Walk = _walk) -> Trail:
    """The events of the file at `path`, or of all `.json` and `.json.gz` files below that folder but digests.

    A file may have `limit` bytes, decompressed.

    Raises UnreadableTrail.
    """
    if not os.path.isdir(path):
        return _read_file(path, limit)
    found = False

    def trails() -> Iterator[Trail]:
        nonlocal found
        for number, file in enumerate(_files(path, walk)):
            if number >= _MAX_FILES:
                raise UnreadableTrail(path, f"more than {_MAX_FILES} files", "Name a folder of fewer days")
            with contextlib.suppress(_NothingInIt):
                yield _read_file(file, limit)
                found = True

    trail = joined(trails())
    if not found:
        raise UnreadableTrail(
            path, "no .json or .json.gz file with events in it", "Name a file or folder of CloudTrail's"
        )
    return trail


def _files(path: str, walk: Walk) -> Iterator[str]:
    for folder, folders, names in walk(path, _refuse):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(_SUFFIXES))


def _refuse(error: OSError) -> None:
    raise UnreadableTrail(error.filename, error.strerror or str(error)) from None


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
    except NoEvents as problem:
        raise _NothingInIt(path, str(problem)) from None
    except NotATrail as problem:
        remedy = "It takes CloudTrail's log files, or the output of `aws cloudtrail lookup-events`"
        raise UnreadableTrail(path, str(problem), remedy) from None
