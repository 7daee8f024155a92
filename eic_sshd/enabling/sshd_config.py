# SPDX-License-Identifier: Apache-2.0
"""What stands where in sshd's configuration. sshd itself says what is in force (sshd.py), and this by which line."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import shlex
from typing import Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

COMMAND, COMMAND_USER = "authorizedkeyscommand", "authorizedkeyscommanduser"
_DEEPEST = 16  # servconf.c: SERVCONF_MAX_DEPTH


class Line(NamedTuple):
    """One directive, its keyword in lower case. `match` is the Match line that it stands under."""

    file: str
    number: int
    keyword: str
    value: str
    match: Optional[str]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"

    @property
    def word(self) -> str:
        """The value of a directive that takes one word: without quotes, or a comment after it."""
        return next(iter(_words(self.value)), "")


class _Inclusion(NamedTuple):
    """One pattern of an Include line."""

    line: Line
    pattern: str


class SshdConfig:
    """The configuration in the file at `path`; `instead` has the texts of files that are not written yet."""

    def __init__(self, path: str, instead: Optional[Mapping[str, str]] = None) -> None:
        self.path = path
        self._instead = instead or {}

    def lines(self, keyword: str) -> List[Line]:
        """The lines with `keyword`, as sshd reads them: outside of Match blocks the first one counts."""
        return [item for item in self._read(self.path, None, ()) if isinstance(item, Line) and item.keyword == keyword]

    def inclusion_of(self, path: str) -> Optional[Line]:
        """The Include by which sshd reads `path`, be it there or not: the first that is not in a Match, if there is."""
        found = [
            item.line
            for item in self._read(self.path, None, ())
            if isinstance(item, _Inclusion) and _matches(path, item.pattern)
        ]
        return outside(found) or next(iter(found), None)

    def _read(self, file: str, match: Optional[str], above: Tuple[str, ...]) -> Iterator[Union[Line, _Inclusion]]:
        """sshd_config(5): a Match goes on to the next, or to the end of its own file. `above` are the files that this
        one is included by; sshd takes none that includes itself."""
        if file in above or len(above) > _DEEPEST:
            return
        for number, raw in enumerate(self._text(file).split("\n"), start=1):
            words = re.match(r'\s*"?([A-Za-z0-9]+)"?\s*=?\s*(.*?)\s*$', raw)
            if words is None:
                continue
            line = Line(file, number, words.group(1).lower(), words.group(2), match)
            if line.keyword == "match":
                match = line.value
            elif line.keyword == "include":
                for pattern in _patterns(line.value, os.path.dirname(self.path)):
                    yield _Inclusion(line, pattern)
                    new = [path for path in self._instead if _matches(path, pattern)]
                    for included in sorted({*glob.glob(pattern), *new}):
                        yield from self._read(included, match, (*above, file))
            yield line

    def _text(self, file: str) -> str:
        if file in self._instead:
            return self._instead[file]
        try:
            with open(file, encoding="utf-8", errors="surrogateescape") as opened:
                return opened.read()
        except OSError:
            return ""  # sshd -t has said so, if it matters


def outside(lines: List[Line]) -> Optional[Line]:
    """The one of `lines` that counts outside of Match blocks."""
    return next((line for line in lines if line.match is None), None)


def in_same_block(line: Line, lines: List[Line]) -> bool:
    """Whether one of `lines` stands in the Match block that `line` stands in."""
    return any((one.file, one.match) == (line.file, line.match) for one in lines)


def _patterns(value: str, folder: str) -> List[str]:
    return [os.path.normpath(os.path.join(folder, os.path.expanduser(pattern))) for pattern in _words(value)]


def _words(value: str) -> List[str]:
    try:
        return shlex.split(value, comments=True)
    except ValueError:
        return value.split()


def _matches(path: str, pattern: str) -> bool:
    """As glob(7): a wildcard does not cross a `/`, nor stand for a leading dot."""
    names, wild = path.split("/"), pattern.split("/")
    return len(names) == len(wild) and all(
        fnmatch.fnmatchcase(name, one) and (not name.startswith(".") or one.startswith("."))
        for name, one in zip(names, wild)
    )
