# SPDX-License-Identifier: Apache-2.0
"""Whether this process may read the journal of the system, and not only what its own user wrote.

journald gives each user an own file of his entries. The library skips files that it may not open, without a word
(sd_journal_open(3)): all that is left is what this user wrote, and may have forged.
"""

from __future__ import annotations

import contextlib
import os
from typing import List

from .reader import CannotRead


class NoJournal(CannotRead):
    """This system has no journal."""


_FOLDERS = ("var/log/journal", "run/log/journal")  # systemd-journald.service(8), FILES
_SUBJECT = "the journal"


def require_journal(root: str = "/") -> None:
    """Raises NoJournal if there is none below `root`, CannotRead if this process may not read all of it."""
    try:
        with open(os.path.join(root, "etc/machine-id"), encoding="ascii", errors="replace") as file:
            machine = file.read(64).strip()
    except OSError as error:
        raise CannotRead(_SUBJECT, f"/etc/machine-id: {error.strerror}") from None
    folders = [os.path.join(root, folder, machine) for folder in _FOLDERS]
    try:
        files = [path for folder in folders for path in _system_files(folder)]
    except PermissionError:
        files = [""]
    if not all(os.access(path, os.R_OK) for path in files):
        raise CannotRead(
            _SUBJECT,
            "this user may not read it, and sees only what he wrote himself",
            "Run it as root, or as a member of the group systemd-journal or adm",
        )
    if not files:
        raise NoJournal(_SUBJECT, "this system has none", "Start systemd-journald")


def _system_files(folder: str) -> List[str]:
    """The files of system services (`system.journal`, `system@....journal`). Raises PermissionError."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("system")]
    return []
