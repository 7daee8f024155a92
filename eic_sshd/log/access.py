# SPDX-License-Identifier: Apache-2.0
"""Whether this process may read the journal of the system, and not only what its own user wrote.

journald keeps the entries of each user in a file of their own. The library skips files that it may not open, without an
error (sd_journal_open(3)): what is left are the entries of this user, who may have forged them.
"""

from __future__ import annotations

import os
from typing import Callable, List

from .reader import CannotRead


class NoJournal(CannotRead):
    """This system has no journal."""


_FOLDERS = ("var/log/journal", "run/log/journal")  # systemd-journald.service(8), FILES
_SUBJECT = "the journal"


def may_read(path: str) -> bool:
    """Whether this process may read the file or list the folder."""
    return os.access(path, os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK)


def require_journal(root: str = "/", is_readable: Callable[[str], bool] = may_read) -> None:
    """Raises NoJournal if there is none below `root`, CannotRead if this process may not read all of it."""
    try:
        with open(os.path.join(root, "etc/machine-id"), encoding="ascii", errors="replace") as file:
            machine = file.read(64).strip()
    except OSError as error:
        raise CannotRead(_SUBJECT, f"/etc/machine-id: {error.strerror}", "Run `systemd-machine-id-setup`") from None
    folders = [os.path.join(root, folder, machine) for folder in _FOLDERS]
    present = [folder for folder in folders if os.path.isdir(folder)]
    files = [path for folder in present if is_readable(folder) for path in _system_files(folder)]
    if not all(map(is_readable, [*present, *files])):
        raise CannotRead(
            _SUBJECT,
            "this user may not read it, and sees only its own entries",
            "Run it as root, or as a member of the group systemd-journal or adm",
        )
    if not files:
        raise NoJournal(_SUBJECT, "this system has none", "Start systemd-journald")


def _system_files(folder: str) -> List[str]:
    """The files of what system services write: `system.journal`, and `system@....journal` of earlier times."""
    return [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("system")]
