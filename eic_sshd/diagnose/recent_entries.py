# SPDX-License-Identifier: Apache-2.0
"""Reads the newest entries of the log: of the last day, or of as much of it as there is time for."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from typing import Callable, Deque, Iterator, List, NamedTuple, Optional, Sequence

from ..log.entries import Entry, Origin
from ..log.reader import Span
from ..log.record_file import RecordFile
from ..model.deadline import Clock
from . import recent_records

_DAY = 86400  # seconds
_FIRST_PART = 60  # seconds; each part that is read is twice as long as the one after it
_MAX_ENTRIES = 100_000
_SECONDS = 5.0  # for the journal: the check has less than 10
_FILE_SECONDS = 2.0
# An entry without a reason: sshd's lines have none, and other entries do not count.
_NO_REASON = {Origin.SSHD: "", Origin.RECORD: "none", Origin.LOGIND: "none"}

EntriesSince = Callable[[Span], Iterator[Entry]]
"""Gives all entries of the journal from a time on, in their order; raises CannotRead."""


class Recent(NamedTuple):
    """The entries in the order of their time. All from the Unix time `since` on are among them.

    `is_cut` says that there was no time for the newest ones, so that this holds for none.
    """

    entries: Sequence[recent_records.Entry]
    since: float
    is_cut: bool = False


def newest(
    journal: EntriesSince,
    file: Optional[RecordFile],
    now: float,
    most: int = _MAX_ENTRIES,
    monotonic: Clock = time.monotonic,
) -> Recent:
    """The newest entries of the day before `now`, about `most` of the journal and of the file each. Raises CannotRead.

    The journal can only be read forward in time from a place in it, so that it is read in parts, the latest one first.
    """
    until = monotonic() + _SECONDS
    parts: List[Deque[recent_records.Entry]] = []
    since, length = now, float(_FIRST_PART)
    is_cut = False
    while since > now - _DAY and sum(map(len, parts)) < most:
        start = max(since - length, now - _DAY)
        part: Deque[recent_records.Entry] = deque(maxlen=most)
        for entry in _between(journal, start, since if parts else None):
            part.append(entry)
            if monotonic() > until:
                break
        if monotonic() > until and parts:
            break  # the newest entries of this part were not read
        is_cut |= monotonic() > until
        parts.append(part)
        is_whole = len(part) < most
        since, length = start if is_whole else part[0].at, length * 2
    of_file: Deque[recent_records.Entry] = deque(maxlen=most)
    until = monotonic() + _FILE_SECONDS
    for one in [] if file is None else file.entries(int((now - _DAY) * 1e6)):
        of_file.append(_entry(one))
        is_cut |= monotonic() > until
        if is_cut:
            break
    if len(of_file) == most:
        since = max(since, of_file[0].at)
    entries = heapq.merge(itertools.chain.from_iterable(reversed(parts)), of_file, key=_at)
    return Recent(list(entries), since, is_cut)


def _between(journal: EntriesSince, start: float, end: Optional[float]) -> Iterator[recent_records.Entry]:
    for entry in map(_entry, journal(Span(since=int(start * 1e6)))):
        if end is not None and entry.at >= end:
            return
        yield entry


def _entry(entry: Entry) -> recent_records.Entry:
    reason = entry.fields.get("reason", "") if entry.origin is Origin.RECORD else ""
    return recent_records.Entry(entry.at / 1e6, entry.message, reason or _NO_REASON[entry.origin])


def _at(entry: recent_records.Entry) -> float:
    return entry.at


def text(recent: Recent, now: float) -> str:
    """For a message: what the entries cover."""
    hours = (now - recent.since) / 3600
    if hours > 23.9:
        return "the last day"
    shown = f"{hours:.0f} h" if hours >= 2 else f"{hours * 60:.0f} min"
    return f"the last {shown} (the log of the day is too long to be read)"
