# SPDX-License-Identifier: Apache-2.0
"""Standard input, output and error, whatever state they are handed over in."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from typing import Any, Optional, TextIO

_READER_PATIENCE = 10  # seconds for whoever reads what is said


def make_usable() -> None:
    """Have all three open and writable, with no surprises for what follows.

    One that is closed would be the number of the next file that is opened, and then be printed to: it becomes
    /dev/null. What cannot be encoded is escaped. What standard error does not take is lost: no place is left to say so,
    and it must not decide how a command ends.
    """
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free: open(2)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    lossy = _Lossy(2, "w", closefd=False)
    sys.stderr = io.TextIOWrapper(lossy, errors="backslashreplace", line_buffering=True)


class _Lossy(io.FileIO):
    """A file that takes whatever is written to it, though it may lose it."""

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[super().write(rest) or len(rest) :]
        except OSError:
            return len(data)  # this is where it would be reported
        return len(data)


def say(sentence: str, stream: Optional[TextIO] = None) -> None:
    """Nobody reading it is no reason to stop half-way, nor to wait for long."""
    stream = stream or sys.stdout
    if stream is None:
        return  # it was closed when we began
    try:
        _require_taken(stream.fileno())
        encoding = stream.encoding or "ascii"
        stream.write(f"eic-sshd: {sentence}\n".encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def _require_taken(descriptor: int) -> None:
    """Raises TimeoutError where a pipe or socket is full and stays so; one that is writable takes a line at once."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if not poll.poll(_READER_PATIENCE * 1000):
            raise TimeoutError("nobody reads it")
