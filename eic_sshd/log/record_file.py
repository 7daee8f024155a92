# SPDX-License-Identifier: Apache-2.0
"""Reads eic-sshd's records from the file of JSON lines that `[log] destination` names."""

from __future__ import annotations

import contextlib
import os
from typing import BinaryIO, Collection, Iterator, Optional

from ..host import trusted_files
from .entries import Entry, from_json_line
from .reader import CannotRead

_LINE_LIMIT = 64 * 1024  # bytes of one line: a record has at most four lists of 8192 characters


class RecordFile:
    """The file at `path`, whose owner must be one of `owners` (uids): another user could forge records."""

    def __init__(self, path: str, owners: Collection[int], root: str = "/") -> None:
        self._path, self._owners, self._root = path, owners, root

    def entries(self, since: int = 0) -> Iterator[Entry]:
        """The records from `since` on (microseconds since the epoch). Raises CannotRead."""
        with self._opened() as file:
            yield from _entries(file, since)

    def follow(self, since: int) -> Iterator[Optional[Entry]]:
        """As `entries`, and then for ever what is added; None each time that there is no more."""
        with self._opened() as file:
            while True:
                yield from _entries(file, since)
                yield None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            trusted_files.require_safe(self._path, self._owners, self._root)
            # Only the owners can replace it now: the folders belong to them or to root.
            descriptor = os.open(
                os.path.join(self._root, self._path.lstrip("/")), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            )
        except trusted_files.UntrustedFile as problem:
            raise CannotRead(problem.path, problem.problem, problem.remedy) from None
        except OSError as error:
            raise CannotRead(self._path, error.strerror or str(error), "Run it as root") from None
        with open(descriptor, "rb") as file:
            yield file


def _entries(file: BinaryIO, since: int) -> Iterator[Entry]:
    """The records in the rest of the file. A line that is no record, or too long, is left out."""
    while True:
        line = file.readline(_LINE_LIMIT)
        if not line:
            return
        entry = from_json_line(line.decode(errors="backslashreplace"))
        if entry is not None and entry.at >= since:
            yield entry
