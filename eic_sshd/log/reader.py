# SPDX-License-Identifier: Apache-2.0
"""Reads the entries of logins from the journal, in one pass over the indexed fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Collection, Dict, Iterator, Optional, Sequence

from ..host import libraries
from ..host.errors import MachineError
from ..model.reasons import NotGranted
from .entries import LOGIND, RECORDS, Entry, Field, Raw, from_journal, number
from .sshd_lines import IDENTIFIERS

if TYPE_CHECKING:
    from systemd.journal import Reader

_MAX_FORGED = 100  # forged records that are counted

Matches = Sequence[Sequence[str]]
"""Groups of `FIELD=value`: an entry matches a group if it has one of the values for each of its fields."""


class CannotRead(MachineError):
    """The log cannot be read, or only a part of it that proves nothing."""


@dataclass(frozen=True)
class Span:
    """What to read: entries of `boot` (any if None) from `since` on (microseconds since the epoch)."""

    since: Optional[int] = None
    boot: Optional[str] = None


def all_matches(record_uids: Collection[int]) -> Matches:
    """What eic-sshd, sshd and logind write."""
    return (
        [f"MESSAGE_ID={one}" for one in RECORDS] + [f"_UID={uid}" for uid in sorted(record_uids)],
        [f"SYSLOG_IDENTIFIER={one}" for one in IDENTIFIERS] + ["_UID=0"],
        [f"MESSAGE_ID={one}" for one in LOGIND] + ["_UID=0"],
    )


def matches_of_process(pid: int, record_uids: Collection[int]) -> Matches:
    """What belongs to the connection of one sshd process."""
    records, lines, sessions = all_matches(record_uids)
    return ([*records, f"EIC_SSHD_PID={pid}"], [*lines, f"_PID={pid}"], [*sessions, f"LEADER={pid}"])


def matches_of_session(session_id: str) -> Matches:
    """logind's notes of one session."""
    return ([f"MESSAGE_ID={one}" for one in LOGIND] + ["_UID=0", f"SESSION_ID={session_id}"],)


class Journal:
    """The journal that `open_reader` opens, by default this machine's.

    `record_uids` may write records: root, eic-sshd and the AuthorizedKeysCommandUser.
    """

    def __init__(self, record_uids: Collection[int], open_reader: Optional[Callable[[], Reader]] = None) -> None:
        self._uids = frozenset(record_uids)
        self._open_reader = open_reader or open_journal

    def entries(self, matches: Matches, span: Span) -> Iterator[Entry]:
        """The matching entries, in the order of their time. Raises CannotRead."""
        with self._reader(matches, span) as reader:
            yield from self._rest(reader)

    def _rest(self, reader: Reader) -> Iterator[Entry]:
        while True:
            raw = _next(reader)
            if not raw:
                return
            entry = from_journal(raw, self._uids)
            if entry is not None:
                yield entry

    def follow(self, matches: Matches, span: Span, wait: float) -> Iterator[Optional[Entry]]:
        """As `entries`, and then for ever what is added; None after each `wait` (seconds) or each addition."""
        with self._reader(matches, span) as reader:
            while True:
                yield from self._rest(reader)
                yield None
                reader.wait(wait)

    def first(self) -> Optional[int]:
        """The time of the oldest entry, in microseconds since the epoch; None if there is none. Raises CannotRead."""
        with self._reader((), Span()) as reader:
            return number(_next(reader).get("__REALTIME_TIMESTAMP"))

    def forged(self, span: Span) -> Dict[int, int]:
        """How many records each uid wrote that may not write any; at most _MAX_FORGED are counted in all."""
        with self._reader((), span) as reader:
            uids = {uid for uid in map(number, reader.query_unique("_UID")) if uid is not None} - self._uids
            found: Dict[int, int] = {}
            if uids:
                _add(reader, [[*(f"MESSAGE_ID={one}" for one in RECORDS), *(f"_UID={uid}" for uid in uids)]])
                for _ in range(_MAX_FORGED):
                    raw = _next(reader)
                    if not raw:
                        break
                    uid = number(raw.get("_UID")) or 0
                    found[uid] = found.get(uid, 0) + 1
            return found

    def _reader(self, matches: Matches, span: Span) -> Reader:
        reader = self._open_reader()
        boot = [] if span.boot is None else [f"_BOOT_ID={span.boot}"]
        _add(reader, [[*group, *boot] for group in matches])
        if span.since is None:
            reader.seek_head()
        else:
            reader.seek_realtime(span.since)
        return reader


def _add(reader: Reader, matches: Matches) -> None:
    for position, group in enumerate(matches):
        if position:
            reader.add_disjunction()
        for match in group:
            reader.add_match(match)


def _next(reader: Reader) -> Raw:
    """The next entry; empty if there is none. Raises CannotRead."""
    try:
        entry: Raw = reader.get_next()
    except OSError as error:
        raise _damaged(error) from None
    return entry


def _damaged(error: OSError) -> CannotRead:
    return CannotRead("the journal", error.strerror or str(error), "Check its files: `journalctl --verify`")


def open_journal(folder: Optional[str] = None) -> Reader:
    """python3-systemd's Reader of the journal's files in `folder`, by default of this machine's. Raises CannotRead.

    It leaves all fields as they are: converting them costs most of the time.
    """
    try:
        with libraries.loading():
            from systemd import journal
    except NotGranted as problem:
        raise CannotRead("python3-systemd", problem.detail, "Install it with the distribution's packages") from None

    class Unconverted(journal.Reader):  # type: ignore[misc] # it has no types
        def _convert_entry(self, entry: Raw) -> Raw:
            return entry

        def _convert_field(self, _name: str, field: Field) -> Field:
            return field

    try:
        return Unconverted(path=folder)  # without a folder LOCAL_ONLY: no journals that were sent from other machines
    except OSError as error:
        raise _damaged(error) from None
