# SPDX-License-Identifier: Apache-2.0
"""The events, newest last: in memory for LookupEvents, and in a file, one event a line."""

from __future__ import annotations

import collections
import contextlib
import heapq
import itertools
import json
import sys
from typing import Deque, Dict, List, NamedTuple, Optional, TextIO

from .event import Event

_KEPT, _KEPT_SIZE = 10_000, 32 * 1024 * 1024  # events in memory, and the characters of their JSON together


class _Kept(NamedTuple):
    """An event with the characters of its JSON; `number` counts all events."""

    number: int
    event: Event
    size: int


class _Events:
    """Those of the callers of one account, or of callers that are not authenticated; the oldest first."""

    def __init__(self) -> None:
        self.kept: Deque[_Kept] = collections.deque()
        self.size = 0

    def append(self, one: _Kept) -> None:
        self.kept.append(one)
        self.size += one.size

    def drop_oldest(self) -> int:
        """Returns its size."""
        size = self.kept.popleft().size
        self.size -= size
        return size


class Trail:
    """`record` adds an event; a file that cannot be written costs one message, and no call.

    Who sends too many requests drops its own account's events from memory, not those of others.
    """

    def __init__(self, max_events: int = _KEPT, max_size: int = _KEPT_SIZE) -> None:
        self._by_account: Dict[str, _Events] = {}
        self._numbers = itertools.count()
        self._max_events, self._max_size = max_events, max_size
        self._count = self._size = 0
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
        """Add an event. Old ones are dropped from memory when there are too many, or too large ones."""
        line = json.dumps(event)
        identity = event.get("userIdentity")
        account = str(identity.get("accountId", "")) if isinstance(identity, dict) else ""
        self._by_account.setdefault(account, _Events()).append(_Kept(next(self._numbers), event, len(line)))
        self._count += 1
        self._size += len(line)
        self._drop()
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

    def _drop(self) -> None:
        """Drop the oldest events of the account that has the most, until they are within the limits."""
        while self._size > self._max_size or self._count > self._max_events:
            too_large = self._size > self._max_size
            most = max(self._by_account.values(), key=lambda one: one.size if too_large else len(one.kept))
            self._size -= most.drop_oldest()
            self._count -= 1

    def newest_first(self) -> List[Event]:
        """All events in memory."""
        newest = (reversed(one.kept) for one in self._by_account.values())
        return [one.event for one in heapq.merge(*newest, key=lambda one: -one.number)]
