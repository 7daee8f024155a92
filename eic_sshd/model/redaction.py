# SPDX-License-Identifier: Apache-2.0
"""Text without what names people, accounts, machines and keys, for reports that others read.

Each value becomes a mark with a number, the same one wherever the value is.
"""

from __future__ import annotations

import functools
import re
from typing import Dict, Optional

_KINDS = (
    ("arn", r"\barn:[a-z0-9-]*:[^\s\"'`,;()]+"),
    ("key", r"\bAAAA[A-Za-z0-9+/]{16,}={0,2}"),
    ("fingerprint", r"\bSHA256:[A-Za-z0-9+/]{43}=?|\bMD5:(?:[0-9a-f]{2}:){15}[0-9a-f]{2}"),
    ("request", r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    ("instance", r"\bi-[0-9a-f]{8,32}\b"),
    ("account", r"\b[0-9]{12}\b"),
    ("address", r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.])"),
    ("address", r"(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"),
    ("address", r"(?<![\w:])(?:[0-9a-f]{1,4}:){0,6}[0-9a-f]{0,4}::(?:[0-9a-f]{1,4}:){0,6}[0-9a-f]{0,4}(?![\w:])"),
)
# IMDS's own addresses, and those of this machine to itself, are the same everywhere.
_KNOWN_ADDRESSES = frozenset({"169.254.169.254", "fd00:ec2::254", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104


class Redaction:
    """Replaces ARNs, AWS accounts, keys, fingerprints, request ids, instance ids, addresses, and the name `user`.

    root is on every machine, so that name stays.
    """

    def __init__(self, user: Optional[str] = None) -> None:
        self._marks: Dict[str, str] = {}
        self._numbers: Dict[str, int] = {}
        kinds = list(_KINDS)
        if user and user != "root":
            kinds.append(("user", rf"(?<![\w-]){re.escape(user)}(?![\w-])"))
        self._kinds = [(kind, re.compile(pattern)) for kind, pattern in kinds]

    def text(self, text: str) -> str:
        """`text`, redacted."""
        for kind, pattern in self._kinds:
            text = pattern.sub(functools.partial(self._mark, kind), text)
        return text

    def value(self, value: object) -> object:
        """`value`, of the types of JSON, with all its texts redacted; the names of members stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {name: self.value(one) for name, one in value.items()}
        return value

    def _mark(self, kind: str, found: re.Match[str]) -> str:
        text = found.group()
        if text in _KNOWN_ADDRESSES:
            return text
        if text not in self._marks:
            self._numbers[kind] = self._numbers.get(kind, 0) + 1
            self._marks[text] = f"<{kind}-{self._numbers[kind]}>"
        return self._marks[text]
