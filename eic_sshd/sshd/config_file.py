# SPDX-License-Identifier: Apache-2.0
"""The lines of sshd's configuration files: which line sets a value that sshd prints (program.py)."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import shlex
from typing import Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

from .connections import is_all, without_comment

COMMAND, COMMAND_USER = "authorizedkeyscommand", "authorizedkeyscommanduser"
_SSHDIR = "/etc/ssh"  # the folder of a relative Include, in every file (servconf.c)
_MAX_DEPTH = 16  # servconf.c: SERVCONF_MAX_DEPTH


class Line(NamedTuple):
    """One directive, its keyword in lower case.

    `match` is the condition that it depends on: the value of the Match line above it, after that of the Match line
    that its file is included under; None outside of Match blocks. A Match line counts as within its own block.
    """

    file: str
    number: int
    keyword: str
    value: str
    match: Optional[str]

    @property
    def place(self) -> str:
        """Where it is, for messages: FILE:LINE."""
        return f"{self.file}:{self.number}"

    @property
    def word(self) -> str:
        """The value of a directive that takes one word: without quotes or a comment."""
        return next(iter(_words(self.value)), "")

    @property
    def is_unconditional(self) -> bool:
        """Whether it is outside of Match blocks, or under `Match all`."""
        return self.match is None or is_all(self.match)


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

    def files(self) -> List[str]:
        """The files that sshd reads, as far as they have any line."""
        read = (item.file if isinstance(item, Line) else item.line.file for item in self._read(self.path, None, ()))
        return list(dict.fromkeys(read))

    def inclusion_of(self, path: str) -> Optional[Line]:
        """The Include line by which sshd reads `path`, which need not exist; None if there is none.

        It is the first outside of Match blocks, or else the first.
        """
        found = [
            item.line
            for item in self._read(self.path, None, ())
            if isinstance(item, _Inclusion) and _matches(path, item.pattern)
        ]
        return next((line for line in found if line.match is None), None) or next(iter(found), None)

    def blocks(self) -> List[Line]:
        """The Match lines other than `Match all`."""
        return [line for line in self.lines("match") if not line.is_unconditional]

    def _read(self, file: str, match: Optional[str], above: Tuple[str, ...]) -> Iterator[Union[Line, _Inclusion]]:
        """The directives and inclusions of `file` and of the files that it includes.

        A Match block ends at the next Match line, or at the end of its file (sshd_config(5)). `above` are the files
        that include this one; sshd accepts no file that includes itself.
        """
        if file in above or len(above) > _MAX_DEPTH:
            return
        enclosing = match
        for number, raw in enumerate(self._text(file).split("\n"), start=1):
            line = _line(file, number, raw, match)
            if line is None:
                continue
            if line.keyword == "match":
                match = _within(enclosing, line.value)
                line = line._replace(match=match)
            elif line.keyword == "include":
                for pattern, paths in self._included(line):
                    yield _Inclusion(line, pattern)
                    for path in paths:
                        yield from self._read(path, match, (*above, file))
            yield line

    def _included(self, line: Line) -> Iterator[Tuple[str, List[str]]]:
        """Each pattern of the Include on `line`, and the files that it matches, in sshd's order."""
        for value in _words(line.value):
            pattern = os.path.normpath(os.path.join(_SSHDIR, value))
            new = [path for path in self._instead if _matches(path, pattern)]
            yield pattern, sorted({*glob.glob(pattern), *new})

    def copy_to(self, folder: str) -> str:
        """Write a copy of all files, with `instead` applied, into `folder`, a private one; the path for sshd's -f."""
        return self._copy(self.path, folder, ())

    def _copy(self, file: str, folder: str, above: Tuple[str, ...]) -> str:
        copy = os.path.join(folder, f"{len(os.listdir(folder))}-{os.path.basename(file)}")
        with open(copy, "w", encoding="utf-8", errors="surrogateescape") as opened:
            for number, raw in enumerate(self._text(file).split("\n"), start=1):
                line = _line(file, number, raw, None)
                if line is not None and line.keyword == "include" and len(above) <= _MAX_DEPTH:
                    paths = [path for _, paths in self._included(line) for path in paths if path not in (*above, file)]
                    copies = [self._copy(path, folder, (*above, file)) for path in paths]
                    raw = f"Include {' '.join(copies)}" if copies else ""
                opened.write(f"{raw}\n")
        return copy

    def _text(self, file: str) -> str:
        if file in self._instead:
            return self._instead[file]
        try:
            with open(file, encoding="utf-8", errors="surrogateescape") as opened:
                return opened.read()
        except OSError:
            return ""  # sshd -t reports it, if it matters


def outside(lines: List[Line]) -> Optional[Line]:
    """The one of `lines` that is in force where no Match line but `Match all` matches.

    A line under `Match all` takes precedence over all lines outside of it.
    """
    under_all = (line for line in lines if line.match is not None and line.is_unconditional)
    return next(under_all, None) or next((line for line in lines if line.match is None), None)


def in_same_block(line: Line, lines: List[Line]) -> bool:
    """Whether one of `lines` is in the same Match block as `line`."""
    return any((one.file, one.match) == (line.file, line.match) for one in lines)


def _line(file: str, number: int, raw: str, match: Optional[str]) -> Optional[Line]:
    words = re.match(r'\s*"?([A-Za-z0-9]+)"?\s*=?\s*(.*?)\s*$', raw)
    return Line(file, number, words.group(1).lower(), words.group(2), match) if words else None


def _within(enclosing: Optional[str], match: str) -> str:
    """The condition under a Match line with the value `match`, in a file that is included under `enclosing`."""
    if enclosing is None or is_all(enclosing):
        return match
    return enclosing if is_all(match) else f"{without_comment(enclosing)} {match}"


def _words(value: str) -> List[str]:
    try:
        return shlex.split(value, comments=True)
    except ValueError:
        return value.split()


def _matches(path: str, pattern: str) -> bool:
    """As glob(7): a wildcard matches neither a `/` nor a leading dot."""
    names, wild = path.split("/"), pattern.split("/")
    return len(names) == len(wild) and all(
        fnmatch.fnmatchcase(name, one) and (not name.startswith(".") or one.startswith("."))
        for name, one in zip(names, wild)
    )
