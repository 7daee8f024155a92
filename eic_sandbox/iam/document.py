# SPDX-License-Identifier: Apache-2.0
"""Reads a policy document with bounds, and knows where in it a problem is."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Dict, Iterable, List, NoReturn, Sequence, Tuple, Union

from .errors import Path, PolicyError, show

Json = Union[None, bool, int, float, str, List["Json"], Dict[str, "Json"]]
"""A value of a decoded JSON document."""

MAX_SIZE = 10_240
"""Characters without white space. IAM's largest limit: the inline policies of a role (IAM User Guide, "IAM and AWS STS
quotas"); a managed policy may have 6,144."""
MAX_DEPTH = 6
"""Levels of objects and arrays: document, Statement, statement, Condition, operator, values."""
_MAX_TEXT = 8 * MAX_SIZE
"""Characters with white space."""
_MAX_NUMBER = 10**15
_TOO_LARGE = f"Use at most {MAX_SIZE:,} characters, or split the policy."


@dataclass(frozen=True)
class Node:
    """A value of a document, with its place. Its methods raise PolicyError."""

    name: str
    path: Path
    value: object

    def fail(self, problem: str, remedy: str) -> NoReturn:
        """Raises the error of a problem here."""
        raise PolicyError(self.name, self.path, problem, remedy)

    def child(self, step: str, value: object) -> Node:
        """A value below this one."""
        return Node(self.name, (*self.path, step), value)

    def members(self) -> Dict[str, Node]:
        """The members of an object."""
        if not isinstance(self.value, dict):
            self.fail(f"not an object ({show(self.value)})", "Use {...}.")
        found: Dict[str, Node] = {}
        for key, value in self.value.items():
            if not isinstance(key, str):
                self.fail(f"a name that is not a string ({show(key)})", "Put it in double quotes.")
            found[key] = self.child(key, value)
        return found

    def elements(self, allowed: Sequence[str]) -> Dict[str, Node]:
        """The members of an object that may have only these."""
        found = self.members()
        for key, node in found.items():
            if key not in allowed:
                node.fail("unknown element", use_one_of(key, allowed))
        return found

    def items(self) -> List[Node]:
        """The values of an array that is not empty; any other value stands for an array with only it."""
        if not isinstance(self.value, list):
            return [self]
        if not self.value:
            self.fail("an empty array", "Put at least one value into it, or remove the element.")
        return [Node(self.name, (*self.path, index), value) for index, value in enumerate(self.value)]

    def text(self) -> str:
        """The string."""
        if not isinstance(self.value, str):
            self.fail(f"not a string ({show(self.value)})", "Put it in double quotes.")
        return self.value

    def scalar(self) -> str:
        """A string, or a number or Boolean as the string that IAM makes of it."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, (int, float)):
            if not abs(self.value) < _MAX_NUMBER:
                self.fail("a number with more than 15 digits", "Put it in double quotes.")
            return f"{Decimal(repr(self.value)):f}"
        if not isinstance(self.value, str):
            self.fail(f"not a string, number or Boolean ({show(self.value)})", "Put it in double quotes.")
        return self.value


def use_one_of(wrong: str, allowed: Iterable[str]) -> str:
    """The remedy for an unknown name: the most similar one, else all."""
    names = list(allowed)
    similar = difflib.get_close_matches(wrong[:64], names, n=1)
    return f"Use {similar[0] if similar else ', '.join(names)}."


def root(document: object, name: str) -> Node:
    """The node of a whole document. Raises PolicyError if it is too large or too deep."""
    _check_bounds(Node(name, (), document))
    return Node(name, (), document)


def _check_bounds(node: Node) -> None:
    """Visits at most MAX_SIZE values, also of a document that contains itself."""
    size = 0
    pending: List[Tuple[object, int]] = [(node.value, 1)]
    while pending:
        value, depth = pending.pop()
        size += _own_size(value)
        if size > MAX_SIZE:
            node.fail("larger than the limit", _TOO_LARGE)
        if isinstance(value, (dict, list)):
            if depth > MAX_DEPTH:
                node.fail(f"objects and arrays more than {MAX_DEPTH} levels deep", "Remove the innermost ones.")
            pending.extend((inner, depth + 1) for inner in (value.values() if isinstance(value, dict) else value))


def _own_size(value: object) -> int:
    """The characters of a value in JSON, without the values in it; at least 1. A number counts as one character."""
    if isinstance(value, str):
        return len(value) + len('""')
    if not isinstance(value, (dict, list)):
        return 1
    size = len("[]") + max(0, len(value) - 1)
    if isinstance(value, dict):
        size += sum(len(key) + len('"":') for key in value if isinstance(key, str))
    return size


def decode(text: str, name: str) -> object:
    """The document in `text`, JSON. Raises PolicyError, also for a name that occurs twice in an object.

    IAM rejects repeated names (IAM User Guide, "Grammar of the IAM JSON policy language"); `json.loads` alone would
    keep the last value, and so lose a condition.
    """
    node = Node(name, (), text)

    def unique(pairs: List[Tuple[str, object]]) -> Dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            node.fail(f"an object with two members of one name ({show(twice)})", "Merge them.")
        return found

    def no_constant(constant: str) -> NoReturn:
        node.fail(f"not JSON ({constant})", "Use a number.")

    if len(text) > _MAX_TEXT:
        node.fail(f"larger than the limit ({len(text):,} characters)", _TOO_LARGE)
    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except PolicyError:
        raise
    except (ValueError, RecursionError) as problem:
        reason = str(problem) if isinstance(problem, json.JSONDecodeError) else "too deep, or a number too large"
        raise PolicyError(name, (), f"not JSON ({reason})", "Correct the syntax.") from None
