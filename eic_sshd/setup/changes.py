# SPDX-License-Identifier: Apache-2.0
"""Files written and removed, each so that it can be put back as it was."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from typing import Callable, Dict, List, Optional

from ..host.errors import MachineError
from ..host.plain_files import PlainFile, load, read
from . import Refused

Say = Callable[[str], None]


class Changes:
    """What is done to files, said through `say` once it is done; with `dry_run` it is only said.

    `paths` are those of the files that were changed, `made_folders` those of the folders that were made for them.
    """

    def __init__(self, say: Say, dry_run: bool) -> None:
        self._say = say
        self._dry_run = dry_run
        self._before: Dict[str, PlainFile] = {}
        self.paths: List[str] = []
        self.made_folders: List[str] = []

    def write(self, path: str, text: str) -> None:
        """Have `text` at `path`, a new file readable by all. Nothing happens if it stands there already.

        Raises:
            Refused: if it can't be written.
            MachineError: if what is there is no plain file: that is somebody's own doing.
        """
        try:
            before = load(path)
            if before.text == text:
                return
            if not self._dry_run:
                self._before.setdefault(path, before)
                self._make_folders(os.path.dirname(path))
                _write(path, text, before.status)
        except OSError as error:
            raise Refused(f"{path} can't be written: {error.strerror or error}") from error
        self._note(path, f"{'would write' if self._dry_run else 'wrote'} {path}")

    def remove(self, path: str, and_folder: bool = False) -> None:
        """Have nothing at `path`; `and_folder`: nor its folder, if that is then empty. Raises as write() does."""
        try:
            before = load(path)
            if before.text is None:
                return
            if not self._dry_run:
                self._before.setdefault(path, before)
                os.unlink(path)
                if and_folder:
                    remove_empty([os.path.dirname(path)])
        except OSError as error:
            raise Refused(f"{path} can't be removed: {error.strerror or error}") from error
        self._note(path, f"{'would remove' if self._dry_run else 'removed'} {path}")

    def put_back(self) -> None:
        """Have everything as it was before. Goes on where one file can't be put back, and says so; says nothing of a
        file that is as it was."""
        for path, before in reversed(list(self._before.items())):
            try:
                if read(path) == before.text:
                    continue
                if before.text is None:
                    os.unlink(path)
                else:
                    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
                    _write(path, before.text, before.status)
                self._say(f"put {path} back as it was")
            except (OSError, MachineError) as error:
                problem = error.strerror if isinstance(error, OSError) else None
                self._say(f"{path} could NOT be put back as it was: {problem or error}")
        remove_empty(self.made_folders)

    def _note(self, path: str, sentence: str) -> None:
        self.paths.append(path)
        self._say(sentence)

    def _make_folders(self, folder: str) -> None:
        missing = []
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for made in reversed(missing):
            self.made_folders.append(made)
            os.mkdir(made, mode=0o755)


def remove_empty(folders: List[str]) -> None:
    """Remove those of `folders` that nothing is in, the last one first."""
    for folder in reversed(folders):
        with contextlib.suppress(OSError):  # something else is in it by now, or it is gone
            os.rmdir(folder)


def _write(path: str, text: str, like: Optional[os.stat_result]) -> None:
    """All of it or none: a reader, or a machine that loses its power, never finds half of it.

    It gets the owner and mode that `like` has.
    """
    # sshd and we read *.conf only.
    descriptor, new = tempfile.mkstemp(prefix=".eic-sshd.", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            if like is not None:
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
            os.fchmod(file.fileno(), 0o644 if like is None else stat.S_IMODE(like.st_mode))
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
