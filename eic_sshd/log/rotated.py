# SPDX-License-Identifier: Apache-2.0
"""The files that logrotate(8) made of a file, by its options `dateext`, `extension` and `compress`."""

from __future__ import annotations

import contextlib
import os
import re
from typing import List, Tuple

_MAX_FILES = 200  # all are open at one time
_WHEN = r"[.-][0-9][0-9-]{0,20}"
_COMPRESSED = r"(?:\.(?:gz|bz2|xz|zst|lz4|Z))?"


def names(path: str) -> List[str]:
    """The names of those that can be read, the newest first."""
    return [name for name in _all(path) if _is_readable(name)]


def unreadable(path: str) -> List[str]:
    """The names of those that are compressed otherwise than by gzip."""
    return [name for name in _all(path) if not _is_readable(name)]


def _all(path: str) -> List[str]:
    folder, base = os.path.split(path)
    stem, extension = map(re.escape, os.path.splitext(base))
    pattern = re.compile(rf"(?:{stem}{extension}{_WHEN}|{stem}{_WHEN}{extension}){_COMPRESSED}")
    found: List[Tuple[float, str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if pattern.fullmatch(entry.name) and entry.name != base and entry.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):  # it has another name by now
                        found.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
    except OSError:
        return []
    present = {name for _, name in found}
    newest = [name for _, name in sorted(found, reverse=True)]
    return [name for name in newest if os.path.splitext(name)[0] not in present or not name.endswith(".gz")][
        :_MAX_FILES
    ]


def _is_readable(name: str) -> bool:
    return re.search(r"\.(?:bz2|xz|zst|lz4|Z)$", name) is None
