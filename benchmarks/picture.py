# SPDX-License-Identifier: Apache-2.0
"""Draws the table of a run as an SVG: a bar for each case, on a logarithmic scale from 5 ms to 5 s."""

from __future__ import annotations

import math
from typing import Sequence
from xml.sax.saxutils import escape

from .measure import Case

_ROW, _LEFT, _WIDTH, _TOP = 22, 330, 900, 56
_SCALE_FROM, _SCALE_TO = 5.0, 5000.0  # milliseconds


def svg(cases: Sequence[Case], title: str) -> str:
    """The picture's text; the first case is the bare Python."""
    height = _TOP + _ROW * len(cases) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12" role="img">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15">{escape(title)}</text>',
        '<text x="12" y="40" fill="#666666">median, logarithmic; in brackets the ratio to a Python just before</text>',
    ]
    for tick in (10, 100, 1000):
        x = _x(tick)
        parts.append(f'<line x1="{x:.0f}" y1="{_TOP - 6}" x2="{x:.0f}" y2="{height - 24}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x:.0f}" y="{height - 8}" text-anchor="middle" fill="#666666">{tick} ms</text>')
    for at, case in enumerate(cases):
        y = _TOP + at * _ROW
        colour = "#999999" if case is cases[0] else "#c0504d" if case.name.startswith("rival") else "#3b6ea5"
        width = max(_x(case.median) - _LEFT, 1)
        low, middle, high = case.ratios
        label = f"{case.median:.1f} ms ({middle:.2f}, {low:.2f} to {high:.2f})"
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(case.name)}</text>')
        parts.append(f'<rect x="{_LEFT}" y="{y + 2}" width="{width:.0f}" height="{_ROW - 8}" fill="{colour}"/>')
        parts.append(f'<text x="{_LEFT + width + 6:.0f}" y="{y + 13}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _x(milliseconds: float) -> float:
    share = math.log(max(milliseconds, _SCALE_FROM) / _SCALE_FROM) / math.log(_SCALE_TO / _SCALE_FROM)
    return _LEFT + share * (_WIDTH - _LEFT - 170)
