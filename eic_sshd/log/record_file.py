# SPDX-License-Identifier: Apache-2.0
"""Reads eic-sshd's records from the file of JSON lines that `[log] destination` names, and from what it was before.

logrotate(8) renames or copies the file: to NAME.1, NAME-20261129 and the like, and then compresses it.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import zlib
from typing import IO, Collection, Iterator, List, Optional, Union

from ..host import trusted_files
from . import rotated
from .entries import Entry, from_json_line
from .reader import CannotRead

_LINE_LIMIT = 64 * 1024  # bytes of one line: a record has at most four lists of 8192 characters


class RecordFile:
    """The file at `path`, whose owner must be one of `owners` (uids): another user could forge records."""

    def __init__(self, path: str, owners: Collection[int], root: str = "/") -> None:
        self.path, self._owners, self._root = path, owners, root

    def entries(self, since: int = 0) -> Iterator[Entry]:
        """The records from `since` on (microseconds since the epoch). Raises CannotRead."""
        with contextlib.ExitStack() as stack:
            file = self._current(stack)
            yield from self._earlier(file, since)
            if file is not None:
                yield from _entries(file, since)

    def follow(self, since: int) -> Iterator[Optional[Entry]]:
        """As `entries`, and then for ever what is added; None each time that there is no more. Raises CannotRead."""
        with contextlib.ExitStack() as stack:
            file = self._current(stack)
            yield from self._earlier(file, since)
            while True:
                if file is not None:
                    yield from _entries(file, since)
                if file is None or self._is_replaced(file):
                    if file is not None:
                        yield from _entries(file, since)  # what was written between the two calls before
                    replacement = self._current(stack)
                    if replacement is not None:
                        if file is not None:
                            file.close()
                        file = replacement
                        continue
                elif os.fstat(file.fileno()).st_size < file.tell():  # logrotate's copytruncate
                    file.seek(0)
                    continue
                yield None

    def known_since(self) -> Optional[int]:
        """The time of the oldest record, in microseconds since the epoch, if the file was rotated.

        None if it was not, or has no record. Raises CannotRead.
        """
        if not self._was_rotated():
            return None
        first = next(iter(self.entries()), None)
        return None if first is None else first.at

    def _earlier(self, current: Optional[IO[bytes]], since: int) -> Iterator[Entry]:
        """The records in the files that `current` was before, from the oldest on; none if `current` has this time."""
        if current is not None:
            first = next(_entries(current, 0), None)
            current.seek(0)
            if first is not None and first.at <= since:
                return
        with contextlib.ExitStack() as stack:
            files: List[Iterator[Entry]] = []
            for name in rotated.names(self._real(self.path)):
                path = os.path.join(os.path.dirname(self.path), name)
                file = self._opened(path, stack)
                if file is None or (current is not None and _is_same(file, current)):
                    continue
                entries = self._of_rotated(path, file)
                oldest = next(entries, None)
                if oldest is not None:
                    files.append(itertools.chain([oldest], entries))
                    if oldest.at < since:
                        break
            for found in reversed(files):
                yield from (entry for entry in found if entry.at >= since)

    def _of_rotated(self, path: str, file: IO[bytes]) -> Iterator[Entry]:
        try:
            if path.endswith(".gz"):
                with gzip.open(file) as plain:
                    yield from _entries(plain, 0)
            else:
                yield from _entries(file, 0)
        except (OSError, EOFError, zlib.error) as error:
            raise CannotRead(path, str(error)) from None

    def _is_replaced(self, file: IO[bytes]) -> bool:
        """Whether another file has the name now. One that was renamed is still written to until there is another."""
        try:
            return not os.path.samestat(os.stat(self._real(self.path)), os.fstat(file.fileno()))
        except OSError:
            return False

    def _current(self, stack: contextlib.ExitStack) -> Optional[IO[bytes]]:
        """The file; None if it was rotated, and nothing was written since. Raises CannotRead."""
        file = self._opened(self.path, stack)
        if file is None and not self._was_rotated():
            raise CannotRead(self.path, "No such file or directory", "eic-sshd creates it with its first record")
        return file

    def _was_rotated(self) -> bool:
        path = self._real(self.path)
        return bool(rotated.names(path) or rotated.unreadable(path))

    def _opened(self, path: str, stack: contextlib.ExitStack) -> Optional[IO[bytes]]:
        """None if it does not exist. Raises CannotRead."""
        try:
            trusted_files.require_safe(path, self._owners, self._root)
            # Only the owners can replace it now: the folders belong to them or to root.
            descriptor = os.open(self._real(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except trusted_files.UntrustedFile as problem:
            raise CannotRead(problem.path, problem.problem, problem.remedy) from None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CannotRead(path, error.strerror or str(error), "Run it as root") from None
        return stack.enter_context(open(descriptor, "rb"))

    def _real(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))


def _is_same(file: IO[bytes], other: IO[bytes]) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), os.fstat(other.fileno()))


def _entries(file: Union[IO[bytes], gzip.GzipFile], since: int) -> Iterator[Entry]:
    """The records in the rest of the file. A line that is no record, or too long, is left out."""
    while True:
        line = file.readline(_LINE_LIMIT)
        if not line:
            return
        entry = from_json_line(line.decode(errors="backslashreplace"))
        if entry is not None and entry.at >= since:
            yield entry
