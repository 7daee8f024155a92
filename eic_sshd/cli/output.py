# SPDX-License-Identifier: Apache-2.0
"""Standard streams in any state, and reports to the administrator."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from typing import Any, Mapping, Optional, TextIO

from ..log.record import printable

_READER_TIMEOUT = 10  # seconds for the reader of a full pipe
_STYLES = {  # SGR parameters: ECMA-48 section 8.3.117
    "ok": "32",  # green
    "warning": "33",  # yellow
    "problem": "31",  # red
    "unknown": "35",  # magenta
    "strong": "1",
    "faint": "2",
}


def make_usable() -> None:
    """Make all three streams open and writable.

    A closed stream becomes /dev/null: its number would be given to the next file that is opened, which output would
    then be written to. Characters that cannot be encoded are escaped. A failed write to standard error is ignored: it
    could be reported nowhere, and must not change the exit status.
    """
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: open(2)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    standard_error = _IgnoringErrors(2, "w", closefd=False)
    sys.stderr = io.TextIOWrapper(standard_error, errors="backslashreplace", line_buffering=True)


class _IgnoringErrors(io.FileIO):
    """A file to which a failed write counts as done."""

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[super().write(rest) or len(rest) :]
        except OSError:
            return len(data)  # there is no other place to report it
        return len(data)


def report(sentence: str, stream: Optional[TextIO] = None) -> None:
    """Print `sentence`, by default to standard output. A reader that is gone or slow stops no change half-way.

    It may have parts of files, so that it is made printable.
    """
    stream = stream or sys.stdout
    if stream is None:
        return  # it was closed when Python started
    try:
        _require_writable(stream.fileno())
        encoding = stream.encoding or "ascii"
        stream.write(f"eic-sshd: {printable(sentence)}\n".encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def _require_writable(descriptor: int) -> None:
    """Raises TimeoutError where a pipe or socket stays full; one that is writable accepts a whole line."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if not poll.poll(_READER_TIMEOUT * 1000):
            raise TimeoutError("it is not read")


def style(text: str, kind: str, stream: TextIO, environment: Mapping[str, str] = os.environ) -> str:
    """`text` in the style of `kind` (ok, warning, problem, unknown, strong, faint) if `stream` shows colours.

    It shows colours if it is a terminal, `TERM` is not `dumb`, and `NO_COLOR` is unset or empty (https://no-color.org).
    """
    shows_colours = stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"
    return f"\x1b[{_STYLES[kind]}m{text}\x1b[0m" if shows_colours else text
