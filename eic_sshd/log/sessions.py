# SPDX-License-Identifier: Apache-2.0
"""Joins entries of the journal to connections: eic-sshd's records, sshd's lines, PAM's and logind's.

They are joined by the boot and the process id of sshd's monitor process: it runs eic-sshd (`EIC_SSHD_PID`), writes
`Accepted publickey` and PAM's lines (`_PID`), and leads the session (logind's `LEADER`). The user joins nothing: sshd
and PAM know some accounts by an alias. What shows that a number is another process's: `OneConnection.is_over`.
"""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, Optional, Tuple

from .connection import Connection, SessionState
from .entries import SESSION_STARTED, Entry, Origin, number
from .names import UidOf
from .one_connection import OF_ACCOUNTS, OneConnection
from .sshd_lines import Line, parse

IsRunning = Callable[[str, int], bool]
"""Whether a process (boot id, process id) is an sshd that runs now."""

LOGIN_GRACE = 120.0  # seconds: sshd_config(5), LoginGraceTime


class Joiner:
    """Takes entries in the order of their time.

    `login_grace` is sshd's LoginGraceTime, in seconds; 0 is no limit. `uid_of` has this machine's accounts.
    """

    def __init__(self, login_grace: float = LOGIN_GRACE, uid_of: UidOf = lambda _: None) -> None:
        self._grace_us = int(login_grace * 1e6) or None
        self._uid_of = uid_of
        self._found: List[OneConnection] = []
        self._live: Dict[Tuple[str, Optional[int]], OneConnection] = {}
        self._sessions: Dict[Tuple[str, str], OneConnection] = {}
        self._boot = ""

    def add_all(self, entries: Iterable[Entry]) -> Joiner:
        """Take all of them; returns this joiner."""
        for entry in entries:
            self.add(entry)
        return self

    def add(self, entry: Entry) -> Optional[OneConnection]:
        """Take one entry. Returns the connection that it belongs to; None if it belongs to none."""
        self._boot = entry.boot or self._boot
        if entry.origin is Origin.LOGIND:
            return self._add_logind(entry)
        if entry.origin is Origin.RECORD:
            connection = self._of(number(entry.fields.get("sshd_pid")), entry, None, entry.fields.get("user"))
            connection.add_record(entry)
            return connection
        line = parse(entry.message)
        if line is None:
            return None
        account = line.user if line.kind in OF_ACCOUNTS else None
        connection = self._of(entry.pid if line.pid is None else line.pid, entry, line, account)
        connection.add_line(entry, line)
        return connection

    def _add_logind(self, entry: Entry) -> Optional[OneConnection]:
        """A session whose leader no line of sshd names, such as that of user@.service, shows nowhere."""
        name = (self._boot, entry.fields.get("session_id", ""))
        if entry.message_id == SESSION_STARTED:
            pid = number(entry.fields.get("leader"))
            known = self._live.get((self._boot, pid)) if pid is not None else None
            if known is None or known.is_over_for_session(entry.at, self._grace_us):
                known = self._begin(pid, entry.at)
            self._sessions[name] = known
            known.add_session(entry, name[1])
            return known
        ended = self._sessions.pop(name, None)
        if ended is not None:
            ended.end_session(entry)
        return ended

    def _of(self, pid: Optional[int], entry: Entry, line: Optional[Line], account: Optional[str]) -> OneConnection:
        """The connection of the process; another one if the system has given the number to a new process."""
        known = self._live.get((self._boot, pid)) if pid is not None else None
        if known is not None and not known.is_over(entry.at, line, account, self._grace_us):
            return known
        return self._begin(pid, entry.at)

    def _begin(self, pid: Optional[int], at: int) -> OneConnection:
        connection = OneConnection(self._boot, pid, at, self._uid_of)
        earlier = self._live.get((self._boot, pid))
        if earlier is not None:
            earlier.is_replaced = True
        self._live[self._boot, pid] = connection
        self._found.append(connection)
        return connection

    def forget(self, connections: Iterable[OneConnection]) -> None:
        """Forget connections that are over: `--follow` may run for months."""
        gone = {id(one) for one in connections}
        self._found = [one for one in self._found if id(one) not in gone]
        self._live = {key: one for key, one in self._live.items() if id(one) not in gone}
        self._sessions = {key: one for key, one in self._sessions.items() if id(one) not in gone}

    @property
    def current(self) -> Tuple[OneConnection, ...]:
        """All connections that are not forgotten, in the order in which they began."""
        return tuple(self._found)

    def connections(self, is_running: IsRunning) -> List[Connection]:
        """All connections as values, in the order in which they began."""
        return [one.value(is_running) for one in self._found if one.is_of_sshd]


def holders(connections: Iterable[Connection], session_id: str) -> List[Connection]:
    """The connections whose session has this id and is open."""
    return [
        one
        for one in connections
        if one.session and one.session.state is SessionState.OPEN and session_id in one.session.ids
    ]
