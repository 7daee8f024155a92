# SPDX-License-Identifier: Apache-2.0
"""The error of a policy document."""

from __future__ import annotations

import json
import re
from typing import Tuple, Union

Path = Tuple[Union[str, int], ...]
"""Where something is in a document, such as ("Statement", 1, "Condition", "StringEqualz")."""

_PLAIN = re.compile(r"[A-Za-z0-9:/_@-]+")
_SHOWN = 64
"""Characters that a message repeats of a value or key."""


class PolicyError(ValueError):
    """A policy document is invalid."""

    def __init__(self, name: str, path: Path, problem: str, remedy: str) -> None:
        super().__init__(name, path, problem, remedy)
        self.name = name
        self.path = path
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.name}: {show_path(self.path)}" if self.path else self.name
        return f"{where}: {self.problem}. {self.remedy}"


def show_path(path: Path) -> str:
    """The path as text, such as Statement[1].Condition.StringEquals["aws:RequestTag/a b"]."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            shown += f".{step[:_SHOWN]}"
        else:
            shown += f"[{json.dumps(step[:_SHOWN])}]"
    return shown.lstrip(".")


def show(value: object) -> str:
    """A value of a document for a message: printable, and not long."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else repr(value[:_SHOWN]) + "..."
    names = {dict: "an object", list: "an array", bool: "a Boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
