# SPDX-License-Identifier: Apache-2.0
"""The folders that were made for files of eic-sshd, which are removed with the last of these files."""

from __future__ import annotations

import os
from typing import List

from .changes import Changes, remove_empty


def update(note: str, changes: Changes) -> None:
    """Add the folders made for `changes` to the file `note`, and remove those of earlier changes that are empty.

    Raises OSError where the note cannot be written.
    """
    noted = _noted(note)
    remove_empty(noted)
    remaining = [folder for folder in dict.fromkeys([*noted, *changes.made_folders]) if os.path.isdir(folder)]
    if remaining == noted:
        return
    if remaining:
        os.makedirs(os.path.dirname(note), mode=0o755, exist_ok=True)
        with open(note, "w", encoding="utf-8", errors="surrogateescape") as opened:
            opened.write("".join(f"{folder}\n" for folder in remaining))
    else:
        os.unlink(note)
        remove_empty([os.path.dirname(note)])  # the packages have files of their own there


def _noted(note: str) -> List[str]:
    try:
        with open(note, encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read().splitlines()
    except FileNotFoundError:
        return []
