# SPDX-License-Identifier: Apache-2.0
"""The ids of AWS's resources in a world."""

from __future__ import annotations

import re
from typing import Dict

from .document import Value

_MAX_INSTANCES = 500  # of a world: the IMDS of each needs a port


class Ids:
    """Those that are taken. Each is unique, in all accounts and Regions."""

    def __init__(self) -> None:
        self._lines: Dict[str, int] = {}
        self._instances = 0

    def take(self, value: Value, text: str, prefix: str) -> None:
        """Take an id for the resource `value`. Raises WorldError if it is malformed or taken."""
        if not re.fullmatch(f"{prefix}-[0-9a-f]{{8,17}}", text):
            value.fail(f"not an id ({text[:64]!r})", f"Use {prefix}- and 8 to 17 hexadecimal digits.")
        if text in self._lines:
            value.fail(f"line {self._lines[text]} has the same id", "Use another id.")
        self._lines[text] = value.line

    def take_instance(self, value: Value, text: str) -> None:
        """As `take`; also raises WorldError if there are too many instances."""
        self.take(value, text, "i")
        self._instances += 1
        if self._instances > _MAX_INSTANCES:
            value.fail("too many instances", f"Use at most {_MAX_INSTANCES}.")
