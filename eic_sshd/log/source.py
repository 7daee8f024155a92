# SPDX-License-Identifier: Apache-2.0
"""All entries of logins on this machine, from the journal and from the file of records, if there is one."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import time
from dataclasses import dataclass
from typing import Callable, Collection, Dict, Iterator, List, Optional

from .entries import SESSION_STARTED, Entry, Origin, number
from .reader import Journal, Span, all_matches, matches_of_process, matches_of_session
from .record_file import RecordFile


@dataclass(frozen=True)
class Boot:
    """A boot of this machine, and when it began, in microseconds since the epoch."""

    id: str = ""
    began: int = 0


@dataclass(frozen=True)
class Source:
    """Where to read. `journal` is None on a system without one: then only records are known.

    `boot` is the present one; `sleep` waits some seconds.
    """

    journal: Optional[Journal]
    record_uids: Collection[int]
    file: Optional[RecordFile] = None
    boot: Boot = Boot()
    sleep: Callable[[float], None] = time.sleep

    def entries(self, span: Span) -> Iterator[Entry]:
        """All entries from `span.since` on, in the order of their time. Raises CannotRead."""
        if self.journal is None:
            yield from self.file.entries(span.since or 0) if self.file else ()
            return
        found = self.journal.entries(all_matches(self.record_uids), span)
        if self.file is None:
            yield from found
            return
        boots = _Boots(self.boot)
        for entry in heapq.merge(found, self.file.entries(span.since or 0), key=_at):
            yield from boots.add(entry)
        yield from boots.rest()

    def follow(self, span: Span, wait: float) -> Iterator[List[Entry]]:
        """As `entries`, in lists: what there is, and then, for ever, what is added within `wait` seconds each time.

        Raises CannotRead.
        """
        records = self._new_records(span.since or 0)
        if self.journal is None:
            for found in records:
                yield found
                self.sleep(wait)
            return
        boots = _Boots(self.boot)
        waiting: List[Entry] = []
        for entry in self.journal.follow(all_matches(self.record_uids), span, wait):
            if entry is not None:
                waiting.append(entry)
                continue
            added = next(records)
            ordered = sorted([*waiting, *added], key=_at) if added else waiting
            yield [*itertools.chain.from_iterable(map(boots.add, ordered)), *boots.rest()]
            waiting = []

    def _new_records(self, since: int) -> Iterator[List[Entry]]:
        """The records of the file, and then those that were added since the last time."""
        if self.file is None:
            yield from itertools.repeat([])
            return
        found: List[Entry] = []
        for record in self.file.follow(since):
            if record is not None:
                found.append(record)
                continue
            yield found
            found = []

    def of_process(self, pid: int, boot: str) -> List[Entry]:
        """The entries of one sshd process. Raises CannotRead."""
        if self.journal is None:
            return []
        found = list(self.journal.entries(matches_of_process(pid, self.record_uids), Span(boot=boot)))
        if self.file is not None and found:
            records = self.file.entries(max(found[0].at - _BEFORE_LOGIN, _began(found[0])))
            found += [dataclasses.replace(one, boot=boot) for one in records if _sshd_pid(one) == pid]
            found.sort(key=_at)
        return found

    def leader(self, session_id: str, boot: str) -> Optional[int]:
        """The process that leads the session of this boot, the latest one of that id. Raises CannotRead."""
        if self.journal is None:
            return None
        found = self.journal.entries(matches_of_session(session_id), Span(boot=boot))
        leaders = [number(one.fields.get("leader")) for one in found if one.message_id == SESSION_STARTED]
        return leaders[-1] if leaders else None

    def first(self) -> int:
        """The time of the journal's oldest entry, in microseconds since the epoch; 0 if unknown. Raises CannotRead."""
        return (self.journal.first() if self.journal else None) or 0

    def forged(self, span: Span) -> Dict[int, int]:
        """How many records each uid forged (`Journal.forged`). Raises CannotRead."""
        return {} if self.journal is None else self.journal.forged(span)


_BEFORE_LOGIN = 600_000_000  # microseconds: records come before sshd's line by less than its LoginGraceTime


class _Boots:
    """Gives the records of a file, which do not name it, their boot."""

    def __init__(self, present: Boot) -> None:
        self._present = present
        self._id = ""  # of the last entry of the journal
        self._waiting: List[Entry] = []  # records since then

    def add(self, entry: Entry) -> List[Entry]:
        """Take the next entry. Returns the entries whose boot is known now."""
        if not entry.boot and entry.origin is Origin.RECORD:
            self._waiting.append(entry)
            return []
        records = self._known(Boot(entry.boot, _began(entry))) if self._waiting else []
        self._id = entry.boot
        return [*records, entry]

    def rest(self) -> List[Entry]:
        """The records after which the journal has no entry."""
        return self._known(self._present)

    def _known(self, latest: Boot) -> List[Entry]:
        records, self._waiting = self._waiting, []
        return [
            dataclasses.replace(one, boot=latest.id if latest.id and one.at >= latest.began else self._id)
            for one in records
        ]


def _began(entry: Entry) -> int:
    """When the boot of an entry of the journal began."""
    return 0 if entry.monotonic is None else entry.at - entry.monotonic


def _sshd_pid(record: Entry) -> Optional[int]:
    return number(record.fields.get("sshd_pid"))


def _at(entry: Entry) -> int:
    return entry.at
