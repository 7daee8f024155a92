# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import configparser
import re
from typing import Dict, List, Optional, Tuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eic_sshd.config import ini

Content = Dict[str, Dict[str, str]]


def read(text: str) -> Tuple[Content, List[int]]:
    """The values by section and key, and the lines with a problem."""
    found = ini.parse(text)
    content = {one.header: {key: entry.text for key, entry in one.entries.items()} for one in found.sections}
    return content, [problem.line for problem in found.problems]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", {}),
        ("[a]", {"a": {}}),
        ("[a]\nb=c", {"a": {"b": "c"}}),
        ("[a]\r\nb = c\r\n", {"a": {"b": "c"}}),
        ("  [a]\n  B  =  c = d  \n", {"a": {"b": "c = d"}}),
        ("[a]\nb =\nc =", {"a": {"b": "", "c": ""}}),
        ("# x\n; y\n[a]\n  # z\nb = c # d", {"a": {"b": "c # d"}}),
        ("[a]\nb = c\n  d\n    e\n f\ng = h", {"a": {"b": "c\nd\ne\nf", "g": "h"}}),
        ("[a]\nb =\n  [c]\n  d = e\n", {"a": {"b": "[c]\nd = e"}}),
        ("[a]\nb = 1\n\n  c = 2\n  # x\n  d = 3", {"a": {"b": "1", "c": "2", "d": "3"}}),
        ("[a] # x [y]", {"a": {}}),
        ('[a "b]c"]', {'a "b]c"': {}}),
        ("[a]\nb = \u2028c\x0bd", {"a": {"b": "c\x0bd"}}),
    ],
)
def test_a_file_in_the_format_has_these_values(text: str, content: Content) -> None:
    assert read(text) == (content, [])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = b\nc = d\n[e]\n", [1]),
        ("\n#\n  x\n", [3]),
        ("[a]\nb\n", [2]),
        ("[a]\nb\n c = d\ne\n", [2, 4]),
        ("[a]\n= b\n", [2]),
        ("[a]\nb = c\n\n d\n", [4]),
        ("[a]\nb = c\n# x\n d\n", [4]),
        ("[a]\nb = 1\nB = 2\n b = 3\n[c]\n[a]\n", [3, 6]),
        ("[]\n", [1]),
        ("[a] b = c\n", [1]),
        ("[a]\nb = c\n[d] ] # e\n", [3]),
        ('["a]\n', [1]),
        ("\ufeff[a]\n", [1]),
    ],
)
def test_every_line_out_of_the_format_is_a_problem(text: str, lines: List[int]) -> None:
    assert read(text)[1] == lines


def test_lines_are_counted_from_one() -> None:
    (first, second) = ini.parse("\n[a]\n\n\n b = c\u2028\x0c\x85d\n  e\n[b]\nc = d").sections
    assert (first.line, first.entries["b"].line) == (2, 5)
    assert (second.line, second.entries["c"].line) == (7, 8)


def python_reads(text: str) -> Optional[Content]:
    parser = configparser.ConfigParser(
        delimiters=("=",), interpolation=None, default_section="\0", empty_lines_in_values=False
    )
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {name: {key: value.strip() for key, value in parser.items(name)} for name in parser.sections()}


_PIECES = [
    "[a]",
    "[b]",
    "\n",
    "\n",
    "\n ",
    "\n  ",
    "#",
    ";",
    "=",
    "k",
    "K",
    " ",
    "\t",
    "\r",
    "x = y",
    "z =",
    "\x0b",
    "\x85",
]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=30).map("".join))
def test_files_mean_what_they_mean_to_pythons_configparser(text: str) -> None:
    # Versions of Python differ in a `]` within a header; a quote is for names of sections; Python ignores what
    # follows a header, where a setting would be lost.
    assume(not any(line.count("]") > 1 or ("[" in line and '"' in line) for line in text.split("\n")))
    assume(not re.search(r"(?m)^[^\S\n]*\[[^]\n]+\][^\S\n]*[^\s#;]", text))
    content, problems = read(text)
    assert python_reads(text) == (None if problems else content)
