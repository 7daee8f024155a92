# SPDX-License-Identifier: Apache-2.0
"""Text in messages: printable, on one line, and not too long."""

from __future__ import annotations

import itertools
import re
from typing import Iterable

_PLAIN = re.compile(r"[\x21-\x7e]{1,128}")
_SHOWN = 64  # characters
_LISTED = 20


def shown(name: str) -> str:
    """A name that a user gave: as it is, or in quotes if it is not plain, and not longer than a line."""
    return name if _PLAIN.fullmatch(name) else repr(name[:_SHOWN])


def one_line(text: str) -> str:
    """The text with escapes in place of line breaks and of what would control a terminal."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def listed(names: Iterable[str]) -> str:
    """The first of the names, or "none"."""
    first = list(itertools.islice(names, _LISTED + 1))
    if len(first) > _LISTED:
        return ", ".join([*map(shown, first[:_LISTED]), "..."])
    return ", ".join(map(shown, first)) or "none"
