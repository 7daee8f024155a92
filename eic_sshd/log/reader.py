# SPDX-License-Identifier: Apache-2.0
"""Reads the entries of logins from the journal, in one pass over the indexed fields."""

from __future__ import annotations

import contextlib
import heapq
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
        with contextlib.ExitStack() as stack:
            yield from self._rest([stack.enter_context(self._reader(group, span)) for group in matches])

    def follow(self, matches: Matches, span: Span, wait: float) -> Iterator[Optional[Entry]]:
        """As `entries`, and then for ever what is added; None after each `wait` (seconds) or each addition."""
        with contextlib.ExitStack() as stack:
            readers = [stack.enter_context(self._reader(group, span)) for group in matches]
            while True:
                yield from self._rest(readers)
                yield None
                for position, reader in enumerate(readers):
                    reader.wait(0 if position else wait)  # each notices new files only there

    def _rest(self, readers: Sequence[Reader]) -> Iterator[Entry]:
        """What the readers have not read yet.

        There is one for each group. One for all would look for the next entry of every group at each step: where many
        forged records match a part of a group, the time would be quadratic.
        """
        return heapq.merge(*map(self._rest_of, readers), key=_Time)

    def _rest_of(self, reader: Reader) -> Iterator[Entry]:
        while True:
            raw = _next(reader)
            if not raw:
                return
            entry = from_journal(raw, self._uids)
            if entry is not None:
                yield entry

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
            group = [*(f"MESSAGE_ID={one}" for one in RECORDS), *(f"_UID={uid}" for uid in sorted(uids))]
            with self._reader(group, span) as reader:
                for _ in range(_MAX_FORGED):
                    raw = _next(reader)
                    if not raw:
                        break
                    uid = number(raw.get("_UID")) or 0
                    found[uid] = found.get(uid, 0) + 1
        return found

    def _reader(self, group: Sequence[str], span: Span) -> Reader:
        reader = self._open_reader()
        for match in [*group, *([] if span.boot is None else [f"_BOOT_ID={span.boot}"])]:
            reader.add_match(match)
        if span.since is None:
            reader.seek_head()
        else:
            reader.seek_realtime(span.since)
        return reader


class _Time:
    """Orders entries: those of one boot by the clock that cannot be set."""

    __slots__ = ("_entry",)

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def __lt__(self, other: _Time) -> bool:
        one, two = self._entry, other._entry
        if one.monotonic is not None and two.monotonic is not None and one.boot == two.boot:
            return one.monotonic < two.monotonic
        return one.at < two.at


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
