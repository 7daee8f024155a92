# SPDX-License-Identifier: Apache-2.0
"""Files written and removed, with what is needed to roll that back."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from typing import Dict, List, Optional

from ..diagnose.finding import error
from ..host.errors import MachineError
from ..host.plain_files import PlainFile, load, read
from . import SetupRefused
from .report import Report


class Changes:
    """Changes to files, each reported once it is made; with `dry_run` they are only reported.

    `paths` are those of the changed files, `made_folders` those of the folders made for them.
    """

    def __init__(self, report: Report, dry_run: bool) -> None:
        self._report = report
        self._dry_run = dry_run
        self._before: Dict[str, PlainFile] = {}
        self.paths: List[str] = []
        self.made_folders: List[str] = []

    def write(self, path: str, text: str) -> None:
        """Write `text` to `path`; a new file is readable by all. Does nothing if the file has this text already.

        Raises:
            SetupRefused: if it cannot be written.
            MachineError: if it is not a plain file: eic-sshd did not write it.
        """
        try:
            before = load(path)
            if before.text == text:
                return
            if not self._dry_run:
                self._before.setdefault(path, before)
                self._make_folders(os.path.dirname(path))
                _write(path, text, before.status)
        except OSError as failure:
            raise SetupRefused(
                error("file-not-writable", path, f"it cannot be written ({failure.strerror or failure})")
            ) from failure
        self._note(path, f"{'would write' if self._dry_run else 'wrote'} {path}")

    def remove(self, path: str, and_folder: bool = False) -> None:
        """Remove the file at `path`, if it exists; `and_folder`: and its folder, if that is then empty.

        Raises as write() does.
        """
        try:
            before = load(path)
            if before.text is None:
                return
            if not self._dry_run:
                self._before.setdefault(path, before)
                os.unlink(path)
                if and_folder:
                    remove_empty([os.path.dirname(path)])
        except OSError as failure:
            raise SetupRefused(
                error("file-not-removable", path, f"it cannot be removed ({failure.strerror or failure})")
            ) from failure
        self._note(path, f"{'would remove' if self._dry_run else 'removed'} {path}")

    def roll_back(self) -> None:
        """Restore every file.

        Reports each file that cannot be restored, and continues with the others. An unchanged file is not reported.
        """
        for path, before in reversed(list(self._before.items())):
            try:
                if read(path) == before.text:
                    continue
                if before.text is None:
                    os.unlink(path)
                else:
                    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
                    _write(path, before.text, before.status)
                self._report(f"restored {path}")
            except (OSError, MachineError) as failure:
                reason = failure.strerror if isinstance(failure, OSError) else None
                self._report(f"{path}: it could NOT be restored ({reason or failure})")
        remove_empty(self.made_folders)

    def _note(self, path: str, sentence: str) -> None:
        self.paths.append(path)
        self._report(sentence)

    def _make_folders(self, folder: str) -> None:
        missing = []
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for made in reversed(missing):
            self.made_folders.append(made)
            os.mkdir(made, mode=0o755)


def remove_empty(folders: List[str]) -> None:
    """Remove those of `folders` that are empty, the last one first."""
    for folder in reversed(folders):
        with contextlib.suppress(OSError):  # it contains other files, or was removed
            os.rmdir(folder)


def _write(path: str, text: str, like: Optional[os.stat_result]) -> None:
    """Replace the file as a whole: a reader, or a loss of power, never finds half of it.

    It gets the owner and mode in `like`.
    """
    # sshd and eic-sshd read *.conf only.
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
