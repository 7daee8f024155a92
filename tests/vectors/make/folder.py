# SPDX-License-Identifier: Apache-2.0
"""A folder of vectors: input files, and cases.json, which names them and what must come of each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Dict, Mapping, Sequence, Union

ROOT = Path(__file__).resolve().parents[1]

Value = Union[None, bool, int, str, Sequence[str], Mapping[str, object]]
"""What a member of a case can be."""


class Folder:
    """The folder `name`, made again from nothing. `defaults` are the members that a case does not name."""

    def __init__(self, name: str, about: str, **defaults: Value) -> None:
        self.name = name
        self._about = about
        self._defaults = defaults
        self._cases: Dict[str, Dict[str, Value]] = {}
        shutil.rmtree(ROOT / name, ignore_errors=True)
        (ROOT / name).mkdir()

    def write(self, file: str, content: bytes) -> str:
        """Writes a file; returns its path below tests/vectors."""
        path = f"{self.name}/{file}"
        if (ROOT / path).exists():
            raise ValueError(f"{path} is written twice")
        (ROOT / path).write_bytes(content)
        return path

    def case(self, name: str, why: str, **members: Value) -> None:
        """Adds a case; `why` is the rule that it is about."""
        if name in self._cases:
            raise ValueError(f"{name} is there twice")
        self._cases[name] = {"why": why, **members}

    def member(self, case: str, name: str) -> Value:
        """A member of a case that was added."""
        return self._cases[case][name]

    def finish(self) -> None:
        """Writes cases.json."""
        written = {"about": self._about, "defaults": self._defaults, "cases": self._cases}
        (ROOT / self.name / "cases.json").write_text(json.dumps(written, indent=2) + "\n")
