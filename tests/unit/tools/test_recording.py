# SPDX-License-Identifier: Apache-2.0
"""The picture of a recorded run: every line in it, well-formed, and small."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import List

import pytest

from tools import recording
from tools.documents import ROOT
from tools.recording import Failed, Line, frames, main, record, svg

SVG = "{http://www.w3.org/2000/svg}"


def step(number: int, *lines: str) -> List[Line]:
    return [Line(number, text) for text in (f"==> {number}.", *lines)]


def texts(picture: str) -> List[str]:
    """What the frames show, without the margin."""
    return [text.text or "" for group in groups(picture) for text in group if text.get("class") != "at"]


def groups(picture: str) -> List[ElementTree.Element]:
    """The frames."""
    return list(ElementTree.fromstring(picture).iter(f"{SVG}g"))  # noqa: S314 - this repository's own picture


def test_lines_have_the_time_at_which_they_were_printed() -> None:
    seconds = iter([10.0, 10.5, 12.0])
    lines = record([sys.executable, "-c", "print('one'); print('two')"], lambda: next(seconds))
    assert lines == [Line(0.5, "one"), Line(2.0, "two")]


def test_run_that_failed_makes_no_picture(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="status 3"):
        record([sys.executable, "-c", "raise SystemExit(3)"])
    assert main([str(tmp_path / "new.svg"), "title", "false"]) == 1
    assert list(tmp_path.iterdir()) == []


def test_short_steps_share_a_frame_and_what_is_before_the_first_is_left_out() -> None:
    first, second, end = step(1, "    why"), step(2, "    why"), Line(9, "==> end")
    assert frames([Line(0, "make: noise"), *first, Line(1, ""), *second, end]) == [[*first, Line(2, ""), *second, end]]


def test_long_step_is_divided_at_a_prompt_and_repeats_its_title() -> None:
    one, two = (["    host$ command", *(["      output"] * 18)] for _ in range(2))
    assert frames([*step(1, *one), *step(1, *two)[1:], Line(9, "==> end")]) == [
        step(1, *one),
        [*step(1, *two), Line(9, "==> end")],
    ]


def test_every_line_is_in_the_picture_once_and_in_order() -> None:
    shown = [f"      {number} <&> \"'" for number in range(100)]
    picture = svg(frames([*step(1, *shown), Line(9, "==> end")]), "a & b")
    assert [text for text in texts(picture) if text.startswith("    ")] == shown


def test_only_the_last_frame_is_visible_where_nothing_moves() -> None:
    picture = svg([step(1), step(2), step(3)], "title")
    assert [group.get("visibility") for group in groups(picture)] == ["hidden", "hidden", None]


def test_picture_in_the_readme_is_small_and_has_every_step_of_the_present_tour() -> None:
    picture = Path(ROOT, "docs", "tour.svg").read_text(encoding="utf-8")
    assert len(picture.encode()) <= recording.MAX_BYTES
    shown = dict.fromkeys(text[4:] for text in texts(picture) if text.startswith("==> "))
    steps = [title for title in shown if title[0].isdigit()]
    source = Path(ROOT, "testbed", "tour.py").read_text(encoding="utf-8")
    assert [title for title in steps if f'"{title}"' not in source] == []
    assert [title[0] for title in steps] == list("1234567")
