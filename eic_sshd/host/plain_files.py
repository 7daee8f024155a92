# SPDX-License-Identifier: Apache-2.0
"""Plain files that an administrator may also edit: read whole, never through a link."""

from __future__ import annotations

import os
import stat
from typing import Optional

from ..model.value import Value
from .errors import MachineError


class PlainFile(Value):
    """A plain file's text and status; None for both if there is no file."""

    text: Optional[str]
    status: Optional[os.stat_result]


def read(path: str) -> Optional[str]:
    """The text of the plain file at `path`; None if there is no file. Raises MachineError, OSError."""
    return load(path).text


def load(path: str) -> PlainFile:
    """The plain file at `path`. Raises MachineError if `path` is a link, a folder or the like; OSError."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return PlainFile(None, None)
    if not stat.S_ISREG(status.st_mode):
        raise MachineError(path, "it is not a plain file, so eic-sshd did not write it", "Move it away and try again")
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return PlainFile(file.read(), status)
