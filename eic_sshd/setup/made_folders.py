# SPDX-License-Identifier: Apache-2.0
"""The folders that were made for files of eic-sshd's, so that they can go with the last of these."""

from __future__ import annotations

import os
from typing import List

from .changes import Changes, remove_empty


def note(file: str, changes: Changes) -> None:
    """Keep in mind, in `file`, what folders were made for `changes`, and remove those of earlier changes that nothing
    is in any more. Raises OSError where that can't be kept."""
    noted = _noted(file)
    remove_empty(noted)
    remaining = [folder for folder in dict.fromkeys([*noted, *changes.made_folders]) if os.path.isdir(folder)]
    if remaining == noted:
        return
    if remaining:
        os.makedirs(os.path.dirname(file), mode=0o755, exist_ok=True)
        with open(file, "w", encoding="utf-8", errors="surrogateescape") as opened:
            opened.write("".join(f"{folder}\n" for folder in remaining))
    else:
        os.unlink(file)
        remove_empty([os.path.dirname(file)])  # the packages keep something of theirs there


def _noted(file: str) -> List[str]:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read().splitlines()
    except FileNotFoundError:
        return []
