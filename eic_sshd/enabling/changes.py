# SPDX-License-Identifier: Apache-2.0
"""Files written and taken away, each so that it can be put back as it was."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from typing import Callable, Dict, List, Optional

from . import Refused

Say = Callable[[str], None]


class Changes:
    """What is done to files, said through `say` once it is done; with `dry_run` it is only said."""

    def __init__(self, say: Say, dry_run: bool) -> None:
        self._say = say
        self._dry_run = dry_run
        self._undo: Dict[str, Callable[[], None]] = {}
        self.paths: List[str] = []

    def write(self, path: str, text: str) -> None:
        """Have `text` at `path`, a new file readable by all. Nothing happens if it stands there already.

        Raises:
            Refused: if it can't be written, or what is there is no plain file: that is somebody's own doing.
        """
        try:
            before = read(path)
            if before == text:
                return
            if not self._dry_run:
                self._remember(path, before)
                _write(path, text, 0o644 if before is None else _mode(path))
        except OSError as error:
            raise Refused(f"{path} can't be written: {error.strerror or error}") from error
        self._note(path, f"{'would write' if self._dry_run else 'wrote'} {path}")

    def remove(self, path: str, and_folder: bool = False) -> None:
        """Have nothing at `path`; `and_folder`: nor its folder, if that is then empty. Raises Refused."""
        try:
            before = read(path)
            if before is None:
                return
            if not self._dry_run:
                self._remember(path, before)
                _unlink(path, os.path.dirname(path) if and_folder else None)
        except OSError as error:
            raise Refused(f"{path} can't be removed: {error.strerror or error}") from error
        self._note(path, f"{'would remove' if self._dry_run else 'removed'} {path}")

    def put_back(self) -> None:
        """Have everything as it was before. Goes on where one file can't be put back, and says so."""
        for path, undo in reversed(list(self._undo.items())):
            try:
                undo()
                self._say(f"put {path} back as it was")
            except OSError as error:
                self._say(f"{path} could NOT be put back as it was: {error.strerror or error}")

    def _note(self, path: str, sentence: str) -> None:
        self.paths.append(path)
        self._say(sentence)

    def _remember(self, path: str, before: Optional[str]) -> None:
        if path in self._undo:
            return
        if before is not None:
            mode = _mode(path)
            self._undo[path] = lambda: _write(path, before, mode)
        else:
            folder = os.path.dirname(path)
            made = not os.path.isdir(folder)
            self._undo[path] = lambda: _unlink(path, folder if made else None)


def read(path: str) -> Optional[str]:
    """What stands in the plain file at `path`; None where there is nothing. Raises Refused, OSError."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{path} is no plain file, so somebody else made it: take it away, or leave things as they are")
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def _mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _write(path: str, text: str, mode: int) -> None:
    """All of it or none: a reader, or a machine that loses its power, never finds half of it."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    descriptor, new = tempfile.mkstemp(prefix=".eic-sshd.", dir=folder)  # sshd and we read *.conf only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


def _unlink(path: str, folder: Optional[str]) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    if folder is not None:
        with contextlib.suppress(OSError):  # something else is in it by now
            os.rmdir(folder)
