# SPDX-License-Identifier: Apache-2.0
"""Files written and taken away, each so that it can be put back as it was."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Callable, List, Optional, Tuple

from . import Refused

Say = Callable[[str], None]


class Changes:
    """What is done to files, said through `say` as it is done; with `dry_run` it is only said."""

    def __init__(self, say: Say, dry_run: bool) -> None:
        self._say = say
        self._dry_run = dry_run
        self._undo: List[Tuple[str, Callable[[], None]]] = []
        self.paths: List[str] = []

    def write(self, path: str, text: str) -> None:
        """Have `text` at `path`, root's and readable by all. Nothing happens if it stands there already."""
        before = _content(path)
        if before == text.encode():
            return
        self._note(path, f"{'would write' if self._dry_run else 'wrote'} {path}")
        if not self._dry_run:
            self._remember(path)
            _write(path, text.encode(), 0o644)

    def remove(self, path: str) -> None:
        """Have nothing at `path`."""
        if not os.path.lexists(path):
            return
        self._note(path, f"{'would remove' if self._dry_run else 'removed'} {path}")
        if not self._dry_run:
            self._remember(path)
            os.unlink(path)

    def put_back(self) -> None:
        """Have everything as it was before. Goes on where one file can't be put back, and says so at the end."""
        problems = []
        for path, undo in reversed(self._undo):
            try:
                undo()
                self._say(f"put {path} back as it was")
            except OSError as error:
                problems.append(f"{path} could not be put back: {error.strerror or error}")
        self._undo = []
        if problems:
            raise Refused("; ".join(problems))

    def _note(self, path: str, sentence: str) -> None:
        self.paths.append(path)
        self._say(sentence)

    def _remember(self, path: str) -> None:
        folder = os.path.dirname(path)
        if os.path.islink(path):
            target = os.readlink(path)
            self._undo.append((path, lambda: _link(target, path)))
        elif os.path.lexists(path):
            content, mode = _content(path) or b"", os.stat(path).st_mode & 0o7777
            self._undo.append((path, lambda: _write(path, content, mode)))
        else:
            made = not os.path.isdir(folder)
            self._undo.append((path, lambda: _unlink(path, folder if made else None)))


def _content(path: str) -> Optional[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(path: str, content: bytes, mode: int) -> None:
    """All of it or none: a reader, or a machine that loses its power, never finds half of it."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o755)
    descriptor, new = tempfile.mkstemp(prefix=".eic-sshd.", dir=folder)  # sshd and we read *.conf only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


def _link(target: str, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.symlink(target, path)


def _unlink(path: str, folder: Optional[str]) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    if folder is not None:
        with contextlib.suppress(OSError):  # something else is in it by now
            os.rmdir(folder)
