# SPDX-License-Identifier: Apache-2.0
"""The events, newest last: in memory for LookupEvents, and in a file, one event a line."""

from __future__ import annotations

import collections
import json
import sys
from typing import Deque, List, Optional, TextIO

from .event import Event

_KEPT = 10_000  # events in memory


class Trail:
    """`record` adds an event; a file that cannot be written costs one message, and no call."""

    def __init__(self) -> None:
        self._events: Deque[Event] = collections.deque(maxlen=_KEPT)
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
        """Add an event."""
        self._events.append(event)
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()
        except OSError as error:
            problem = f"eic-sandbox: {self._file.name}: {error.strerror or error}. The trail is in memory only."
            print(problem, file=sys.stderr)
            self._file = None

    def newest_first(self) -> List[Event]:
        """All events in memory."""
        return list(reversed(self._events))
