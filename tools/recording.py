# SPDX-License-Identifier: Apache-2.0
"""`make recording`: runs a command, and draws what it printed, and when, as an SVG that shows step after step.

    python -m tools.recording FILE TITLE COMMAND...

A line that begins with `==>` begins a step. A frame is shown for as long as it takes to read it; the margin has the
seconds at which its lines were printed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Callable, Iterable, List, Sequence
from xml.sax.saxutils import escape

MAX_BYTES = 100_000
_STEP = "==> "
_PROMPT = re.compile(r"    [a-z]+[$#] ")
_OUTPUT = " " * 6
_MOST_LINES = 30  # in a frame, without the last line of all
_MARGIN, _CHARACTER, _LINE, _COLUMNS = 56, 7.23, 17, 106  # user units; the last: characters
_FONTS = "ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace"
_LEAST_SECONDS, _SECONDS_PER_LINE = 4.0, 0.4  # for which a frame is shown
_COLOURS = {"step": "#79c0ff", "prompt": "#7ee787", "output": "#c9d1d9", "text": "#8b949e"}


class Failed(Exception):
    """The command failed: its output is no recording."""


@dataclass(frozen=True)
class Line:
    """A line of output, and when it was printed, in seconds since the command began."""

    at: float
    text: str


def record(command: Sequence[str], clock: Callable[[], float] = time.monotonic) -> List[Line]:
    """The lines that a command prints; they are printed here too. Raises Failed."""
    begun = clock()
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            lines.append(Line(clock() - begun, line.rstrip()))
            print(line, end="", flush=True)
    if process.returncode:
        raise Failed(f"{command[0]}: status {process.returncode}. Correct what it reports.")
    return lines


def frames(lines: Iterable[Line]) -> List[List[Line]]:
    """The steps, as many in a frame as it has lines for, without what is printed before the first.

    A step that is too long is divided at a prompt. The last line of all is shown with what is before it.
    """
    *shown, last = [line for line in lines if line.text]
    steps: List[List[Line]] = []
    for line in shown:
        if line.text.startswith(_STEP):
            steps.append([])
        if steps:
            steps[-1].append(line)
    found: List[List[Line]] = []
    for part in (part for step in steps for part in _divided(step)):
        if found and len(found[-1]) + 1 + len(part) <= _MOST_LINES:
            found[-1] += [Line(part[0].at, ""), *part]
        else:
            found.append(part)
    found[-1].append(last)
    return found


def _divided(step: List[Line]) -> List[List[Line]]:
    parts: List[List[Line]] = []
    while len(step) > _MOST_LINES:
        prompts = [at for at in range(2, _MOST_LINES) if _PROMPT.match(step[at].text)]
        end = prompts[-1] if prompts and prompts[-1] > _MOST_LINES // 3 else _MOST_LINES
        parts.append(step[:end])
        step = [step[0], *step[end:]]
    return [*parts, step]


def svg(shown: Sequence[Sequence[Line]], title: str) -> str:
    """The picture. Where nothing moves, it shows the last frame."""
    seconds = [max(_LEAST_SECONDS, _SECONDS_PER_LINE * len(frame)) for frame in shown]
    width = _MARGIN + _CHARACTER * _COLUMNS
    height = _LINE * (max(map(len, shown)) + 3)
    rules, groups = [], []
    begin = 0.0
    for number, (frame, lasts) in enumerate(zip(shown, seconds)):
        first, end = (100 * at / sum(seconds) for at in (begin, begin + lasts))
        begin += lasts
        before = "0%{visibility:hidden}" if number else ""
        after = f"{end:.2f}%{{visibility:hidden}}" if number < len(shown) - 1 else ""
        rules.append(f"@keyframes f{number}{{{before}{first:.2f}%{{visibility:visible}}{after}}}")
        rules.append(f"#f{number}{{animation:f{number} {sum(seconds):.1f}s step-end infinite}}")
        hidden = ' visibility="hidden"' if number < len(shown) - 1 else ""
        groups.append(f'<g id="f{number}"{hidden}>\n{_frame(frame)}\n</g>')
    classes = "".join(f".{name}{{fill:{colour}}}" for name, colour in _COLOURS.items())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" '
            f'font-family="{_FONTS}" font-size="12" xml:space="preserve" style="white-space:pre">',
            f"<title>{escape(title)}</title>",
            f"<style>{classes}.at{{fill:#6e7681;text-anchor:end}}\n" + "\n".join(rules) + "</style>",
            f'<rect width="{width:.0f}" height="{height}" rx="6" fill="#0d1117"/>',
            f'<text x="{_MARGIN}" y="{_LINE + 4}" class="text">{escape(title)}</text>',
            *groups,
            "</svg>",
            "",
        ]
    )


def _frame(frame: Sequence[Line]) -> str:
    rows = []
    second = ""
    for row, line in enumerate(frame):
        y = _LINE * (row + 3)
        if not line.text:
            continue
        if f"{line.at:.1f} s" != second:
            second = f"{line.at:.1f} s"
            rows.append(f'<text x="{_MARGIN - 10}" y="{y}" class="at">{second}</text>')
        rows.append(f'<text x="{_MARGIN}" y="{y}" class="{_kind(line.text)}">{escape(line.text)}</text>')
    return "\n".join(rows)


def _kind(text: str) -> str:
    if text.startswith(_STEP):
        return "step"
    if _PROMPT.match(text):
        return "prompt"
    return "output" if text.startswith(_OUTPUT) else "text"


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, 1 if the command failed or the picture is too large, 2 for wrong arguments."""
    if len(arguments) < 3:
        print("usage: python -m tools.recording FILE TITLE COMMAND...", file=sys.stderr)
        return 2
    path, title, *command = arguments
    try:
        lines = record(command)
    except Failed as problem:
        print(f"recording: {problem}", file=sys.stderr)
        return 1
    picture = svg(frames(lines), f"{title}: a real run of {lines[-1].at:.0f} s")
    if len(picture.encode()) > MAX_BYTES:
        print(f"recording: {path}: over {MAX_BYTES} bytes ({len(picture.encode())}). Print less.", file=sys.stderr)
        return 1
    with open(path, "w", encoding="utf-8") as file:
        file.write(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
