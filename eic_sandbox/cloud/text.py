# SPDX-License-Identifier: Apache-2.0
"""Names in messages: printable, and not too many."""

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


def listed(names: Iterable[str]) -> str:
    """The first of the names, or "none"."""
    first = list(itertools.islice(names, _LISTED + 1))
    if len(first) > _LISTED:
        return ", ".join([*map(shown, first[:_LISTED]), "..."])
    return ", ".join(map(shown, first)) or "none"
