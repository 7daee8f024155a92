# SPDX-License-Identifier: Apache-2.0
"""The format of eic-sshd.conf: sections, and in them lines `key = value`. Each is kept with the number of its line.

The grammar is that of Python's configparser, which does not keep line numbers and differs between versions of Python.
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional

from ..model.value import Value

# A `]` between double quotes is part of the section's name.
_HEADER = r'\[((?:"[^"]*"|[^]"])+)\]'


class Entry(Value):
    """The value of one key: `text` has the lines of the value, joined by newlines, without blanks around it."""

    line: int
    text: str


class IniSection(Value):
    """One section: what is between the brackets, and its entries by key. Keys are in lower case."""

    header: str
    line: int
    entries: Dict[str, Entry]


class Problem(Value):
    """What is not in the format. `line` counts from 1, `text` is a clause."""

    line: int
    text: str


class IniFile(Value):
    """The sections in order, each header once. They have a meaning only if there are no problems."""

    sections: List[IniSection]
    problems: List[Problem]


def parse(text: str) -> IniFile:
    """Read the text of a file.

    Lines that begin with `#` or `;` are comments. A line that is indented more than the key above it continues that
    key's value; a blank line or a comment ends a value.
    """
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        reader.add(number, line)
    return IniFile(list(reader.sections.values()), reader.problems)


class _Reader:
    """The sections so far, and what a line that continues the one above it would continue."""

    def __init__(self) -> None:
        self.sections: Dict[str, IniSection] = {}
        self.problems: List[Problem] = []
        self._section: Optional[IniSection] = None
        self._key: Optional[str] = None  # None where a line that cannot be parsed is continued
        self._indent: Optional[int] = None  # of the line that can be continued; None if there is none

    def add(self, number: int, line: str) -> None:
        content = line.strip()
        if not content or content[0] in "#;":
            self._indent = None
            return
        indent = len(line) - len(line.lstrip())
        header = re.match(_HEADER, content)
        if self._indent is not None and indent > self._indent:
            self._continue(content)
        elif header:
            self._indent = None
            rest = content[header.end() :].lstrip()
            if rest and rest[0] not in "#;":
                self.problems.append(Problem(number, f"there is text after the header ({rest[:64]!r})"))
            self._begin(number, header.group(1))
        else:
            self._indent = indent
            self._key = self._add_entry(number, content)

    def _continue(self, content: str) -> None:
        if self._section is not None and self._key is not None:
            line, text = self._section.entries[self._key]
            self._section.entries[self._key] = Entry(line, f"{text}\n{content}".strip())

    def _begin(self, number: int, header: str) -> None:
        self._section = IniSection(header, number, {})
        first = self.sections.setdefault(header, self._section)
        if first is not self._section:
            self.problems.append(Problem(number, f"section [{header}] is there already (line {first.line})"))

    def _add_entry(self, number: int, content: str) -> Optional[str]:
        """The key that the line sets; None where it sets none."""
        name, equals, value = content.partition("=")
        key = name.strip().lower()
        if self._section is None:
            if not self.problems:
                self.problems.append(Problem(number, "a line before the first [section]"))
            return None
        if not equals or not key:
            self.problems.append(Problem(number, "the line is not `key = value`, [section] or a comment"))
            return None
        entry = Entry(number, value.strip())
        first = self._section.entries.setdefault(key, entry)
        if first is not entry:
            problem = f"[{self._section.header}] {key} is set already (line {first.line})"
            self.problems.append(Problem(number, problem))
            return None
        return key
