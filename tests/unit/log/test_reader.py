# SPDX-License-Identifier: Apache-2.0
"""What is read of a journal: by which matches, and what is done with a damaged one."""

from __future__ import annotations

import errno
from typing import Iterable, List, Optional, Set

import pytest

from eic_sshd.log.entries import SESSION_STARTED, Field, Origin, Raw
from eic_sshd.log.reader import (
    CannotRead,
    Journal,
    Matches,
    Span,
    all_matches,
    matches_of_process,
    matches_of_session,
    open_journal,
)
from eic_sshd.model.outcome import Outcome

from .journal import BEGIN, BOOT, EIC_UID, RECORD_UIDS, SECOND, USER_UID, Log, MemoryJournal

PID = 4242


class Reader:
    """As systemd.journal.Reader, of these entries."""

    def __init__(self, entries: Iterable[Raw], error: Optional[OSError] = None) -> None:
        self._entries, self._error = list(entries), error
        self._matches: List[str] = []
        self._since = 0

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._entries = []

    def add_match(self, match: str) -> None:
        self._matches.append(match)

    def seek_head(self) -> None:
        self._since = 0

    def seek_realtime(self, since: int) -> None:
        self._since = since

    def wait(self, timeout: float) -> None:
        assert timeout >= 0

    def query_unique(self, name: str) -> Set[Field]:
        return {raw[name] for raw in self._entries if name in raw}

    def get_next(self) -> Raw:
        if self._error:
            raise self._error
        while self._entries:
            raw = self._entries.pop(0)
            if MemoryJournal.has(raw, [self._matches], Span(self._since)):
                return raw
        return {}


def journal(log: Log) -> Journal:
    return Journal(RECORD_UIDS, lambda: Reader(log.entries))


def mixed() -> Log:
    """One entry of each kind that counts, and others."""
    log = Log()
    log.write(0, 1, "hello", SYSLOG_IDENTIFIER="systemd")
    log.record(PID)
    log.write(EIC_UID, 700, "no record", SYSLOG_IDENTIFIER="eic-sshd")
    log.accepted(PID)
    log.logind(SESSION_STARTED, "7", PID)
    log.record(PID, uid=USER_UID)
    log.sshd(PID, "Accepted password for root from 10.0.0.1 port 22 ssh2", uid=USER_UID)
    log.logind(SESSION_STARTED, "8", PID, uid=USER_UID)
    log.record(PID + 1)
    log.accepted(PID + 1)
    return log


@pytest.mark.parametrize(
    ("matches", "origins"),
    [
        (all_matches(RECORD_UIDS), [Origin.RECORD, Origin.SSHD, Origin.LOGIND, Origin.RECORD, Origin.SSHD]),
        (matches_of_process(PID, RECORD_UIDS), [Origin.RECORD, Origin.SSHD, Origin.LOGIND]),
        (matches_of_session("7"), [Origin.LOGIND]),
        (matches_of_session("8"), []),
    ],
)
def test_matches_select_what_trusted_users_wrote(matches: Matches, origins: List[Origin]) -> None:
    assert [entry.origin for entry in journal(mixed()).entries(matches, Span())] == origins


@pytest.mark.parametrize(
    ("span", "count"),
    [(Span(), 5), (Span(BEGIN), 5), (Span(BEGIN + SECOND), 0), (Span(boot=BOOT), 5), (Span(boot="c" * 32), 0)],
)
def test_span_bounds_time_and_boot(span: Span, count: int) -> None:
    assert len(list(journal(mixed()).entries(all_matches(RECORD_UIDS), span))) == count


def test_entries_of_a_boot_are_in_order_where_the_clock_was_set_back() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.at -= 3600 * SECOND
    log.record(PID + 1)
    log.accepted(PID + 1)
    found = [entry.monotonic for entry in journal(log).entries(all_matches(RECORD_UIDS), Span())]
    assert len(found) == 4
    assert found == sorted(found, key=lambda one: one or 0)


def test_each_group_of_matches_has_a_reader_of_its_own() -> None:
    """A reader that ORs the groups needs quadratic time where many forged records match a part of a group."""
    opened: List[Reader] = []

    def open_reader() -> Reader:
        opened.append(Reader([]))
        return opened[-1]

    list(Journal(RECORD_UIDS, open_reader).entries(all_matches(RECORD_UIDS), Span()))
    assert len(opened) == len(all_matches(RECORD_UIDS))


def test_entry_that_the_matches_let_pass_must_count_itself() -> None:
    """The matches are for speed; who wrote an entry is checked again."""
    assert len(list(journal(mixed()).entries([[]], Span()))) == 5


def test_forged_records_are_counted_by_their_users() -> None:
    log = mixed()
    for _ in range(3):
        log.record(PID, Outcome.REFUSED, "expired", uid=USER_UID + 1)
    assert journal(log).forged(Span()) == {USER_UID: 1, USER_UID + 1: 3}
    assert journal(log).forged(Span(BEGIN + SECOND)) == {}


def test_number_of_forged_records_that_are_counted_is_bounded() -> None:
    log = Log()
    for _ in range(500):
        log.record(PID, uid=USER_UID)
    assert journal(log).forged(Span()) == {USER_UID: 100}


def test_time_of_the_oldest_entry_is_known() -> None:
    assert journal(mixed()).first() == BEGIN + SECOND // 1000
    assert journal(Log()).first() is None


def test_follow_marks_the_end_of_what_there_is() -> None:
    found = journal(mixed()).follow(all_matches(RECORD_UIDS), Span(), 0.1)
    assert [next(found) is None for _ in range(7)] == [False] * 5 + [True] * 2


def test_damaged_journal_is_reported_with_a_remedy() -> None:
    damaged = Journal(RECORD_UIDS, lambda: Reader([], OSError(errno.EBADMSG, "Bad message")))
    with pytest.raises(CannotRead, match=r"the journal: Bad message\. Check its files"):
        list(damaged.entries(all_matches(RECORD_UIDS), Span()))


def test_folder_without_a_journal_has_no_entries(tmp_path: object) -> None:
    pytest.importorskip("systemd.journal")
    empty = Journal(RECORD_UIDS, lambda: open_journal(str(tmp_path)))
    assert list(empty.entries(all_matches(RECORD_UIDS), Span())) == []
    assert (empty.first(), empty.forged(Span())) == (None, {})


def test_missing_folder_is_reported() -> None:
    pytest.importorskip("systemd.journal")
    with pytest.raises(CannotRead, match="No such file"):
        open_journal("/does/not/exist")
