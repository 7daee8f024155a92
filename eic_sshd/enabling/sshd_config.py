# SPDX-License-Identifier: Apache-2.0
"""What stands where in sshd's configuration. sshd itself says what is in force (sshd.py), and this by which line."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import shlex
from typing import Iterator, List, NamedTuple, Optional, Sequence, Union

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


class Inclusion(NamedTuple):
    """One pattern of an Include line."""

    line: Line
    pattern: str


def lines(config: str, *keywords: str) -> List[Line]:
    """The lines of `config`, and of what it includes, that have one of `keywords`, as sshd reads them."""
    return [item for item in _read(config, None, 0, config) if isinstance(item, Line) and item.keyword in keywords]


def inclusion_of(config: str, path: str) -> Optional[Inclusion]:
    """The Include by which sshd reads `path`, be it there or not: the first that is not within a Match, if there is."""
    found = [
        item
        for item in _read(config, None, 0, config)
        if isinstance(item, Inclusion) and fnmatch.fnmatch(path, item.pattern)
    ]
    return next((one for one in found if one.line.match is None), found[0] if found else None)


def _read(file: str, match: Optional[str], depth: int, config: str) -> Iterator[Union[Line, Inclusion]]:
    """sshd_config(5): the first value counts; a Match goes on to the next, or to the end of its own file."""
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as opened:
            text = opened.read()
    except OSError:
        return  # sshd -t has said so, if it matters
    for number, raw in enumerate(text.split("\n"), start=1):
        words = re.match(r'\s*"?([A-Za-z0-9]+)"?\s*=?\s*(.*?)\s*$', raw)
        if words is None:
            continue
        line = Line(file, number, words.group(1).lower(), words.group(2), match)
        if line.keyword == "match":
            match = line.value
        elif line.keyword == "include" and depth < _DEEPEST:
            for pattern in _patterns(line.value, os.path.dirname(config)):
                yield Inclusion(line, pattern)
                for included in sorted(glob.glob(pattern)):
                    yield from _read(included, match, depth + 1, config)
        yield line


def _patterns(value: str, folder: str) -> Sequence[str]:
    try:
        patterns = shlex.split(value, comments=True)
    except ValueError:
        patterns = value.split()
    return [os.path.join(folder, pattern) for pattern in patterns]
