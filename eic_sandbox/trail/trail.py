# SPDX-License-Identifier: Apache-2.0
"""The events, newest last: in memory for LookupEvents, and in a file, one event a line."""

from __future__ import annotations

import collections
import contextlib
import json
import sys
from typing import Deque, List, Optional, TextIO, Tuple

from .event import Event

_KEPT, _KEPT_SIZE = 10_000, 32 * 1024 * 1024  # events in memory, and the characters of their JSON together


class Trail:
    """`record` adds an event; a file that cannot be written costs one message, and no call."""

    def __init__(self, max_events: int = _KEPT, max_size: int = _KEPT_SIZE) -> None:
        self._events: Deque[Tuple[Event, int]] = collections.deque()
        self._max_events, self._max_size = max_events, max_size
        self._size = 0
        self._file: Optional[TextIO] = None

    def open(self, path: str) -> None:
        """Append the events to this file from now on. Raises OSError."""
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - it is open until `close`

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def record(self, event: Event) -> None:
        """Add an event. The oldest are dropped from memory when there are too many, or too large ones."""
        line = json.dumps(event)
        self._events.append((event, len(line)))
        self._size += len(line)
        while self._size > self._max_size or len(self._events) > self._max_events:
            self._size -= self._events.popleft()[1]
        if self._file is None:
            return
        try:
            self._file.write(f"{line}\n")
            self._file.flush()
        except OSError as error:
            problem = f"eic-sandbox: {self._file.name}: {error.strerror or error}. The trail is in memory only."
            print(problem, file=sys.stderr)
            with contextlib.suppress(OSError):  # the same error: the text is still in its buffer
                self._file.close()
            self._file = None

    def newest_first(self) -> List[Event]:
        """All events in memory."""
        return [event for event, _ in reversed(self._events)]
