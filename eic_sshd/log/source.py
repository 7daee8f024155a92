# SPDX-License-Identifier: Apache-2.0
"""All entries of logins on this machine, from the journal and from the file of records, if there is one."""

from __future__ import annotations

import dataclasses
import heapq
from dataclasses import dataclass
from typing import Collection, Dict, Iterable, Iterator, List, Optional

from .entries import SESSION_STARTED, Entry, number
from .reader import Journal, Span, all_matches, matches_of_process, matches_of_session
from .record_file import RecordFile


@dataclass(frozen=True)
class Source:
    """Where to read. `journal` is None on a system without one: then only records are known."""

    journal: Optional[Journal]
    record_uids: Collection[int]
    file: Optional[RecordFile] = None

    def entries(self, span: Span) -> Iterator[Entry]:
        """All entries from `span.since` on, in the order of their time. Raises CannotRead."""
        parts = [] if self.journal is None else [self.journal.entries(all_matches(self.record_uids), span)]
        if self.file is not None:
            parts.append(self.file.entries(span.since or 0))
        return _with_boots(heapq.merge(*parts, key=_at))

    def follow(self, span: Span, wait: float) -> Iterator[List[Entry]]:
        """As `entries`, in lists: what there is, and then, for ever, what is added within `wait` seconds each time.

        Raises CannotRead.
        """
        if self.journal is None:
            return
        from_file = None if self.file is None else self.file.follow(span.since or 0)
        waiting: List[Entry] = []
        for entry in self.journal.follow(all_matches(self.record_uids), span, wait):
            if entry is not None:
                waiting.append(entry)
                continue
            while from_file is not None:
                record = next(from_file)
                if record is None:
                    break
                waiting.append(record)
            yield waiting if from_file is None else sorted(waiting, key=_at)
            waiting = []

    def of_process(self, pid: int, boot: str) -> List[Entry]:
        """The entries of one sshd process. Raises CannotRead."""
        if self.journal is None:
            return []
        found = list(self.journal.entries(matches_of_process(pid, self.record_uids), Span(boot=boot)))
        if self.file is not None and found:
            records = self.file.entries(found[0].at - _BEFORE_LOGIN)
            found += [one for one in records if number(one.fields.get("sshd_pid")) == pid]
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


def _with_boots(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The records of a file with the boot of the entry of the journal before them, or of the first one after them."""
    boot = ""
    waiting: List[Entry] = []
    for entry in entries:
        if not entry.boot and not boot:
            waiting.append(entry)
            continue
        boot = entry.boot or boot
        yield from (dataclasses.replace(one, boot=boot) for one in waiting)
        waiting = []
        yield entry if entry.boot else dataclasses.replace(entry, boot=boot)
    yield from waiting


def _at(entry: Entry) -> int:
    return entry.at
