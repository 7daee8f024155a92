# SPDX-License-Identifier: Apache-2.0
"""What was read of one connection so far, and what follows from it."""

from __future__ import annotations

import dataclasses
from typing import Callable, Dict, List, Optional, Tuple

from .connection import (
    Attempt,
    Connection,
    Login,
    Result,
    Session,
    SessionState,
    Timing,
)
from .entries import Entry, number
from .login import login
from .names import UidOf, are_of_one_account
from .sshd_lines import Kind, Line

# journald reads sshd's lines and eic-sshd's records from two sockets. So a line may overtake a record by this much.
_DISORDER = 2_000_000  # microseconds
_SESSION_DELAY = 300_000_000  # microseconds from `Accepted` to the session: PAM's modules may wait for other machines
_FATAL = ("Access denied ", "Disconnecting ")  # of the lines that explain a denial, those after which sshd ends
_MAX_KEPT = 32  # lines that explain a denial, and attempts, of one connection (sshd_config(5), MaxAuthTries: 6)
# Lines whose user is an account; the other ones may have any text that a client sent.
OF_ACCOUNTS = (Kind.ACCEPTED, Kind.PARTIAL, Kind.OPENED, Kind.CLOSED)


class OneConnection:
    """The process `pid` of `boot`, from its first entry on."""

    def __init__(self, boot: str, pid: Optional[int], began: int, uid_of: UidOf) -> None:
        self.boot, self.pid, self.began, self.last = boot, pid, began, began
        self.is_of_sshd = False  # whether there is more than a session of logind
        self.is_replaced = False  # whether the system has given the number to another process since
        self._uid_of = uid_of
        self._recorded: Optional[str] = None  # the user, as eic-sshd's records name it
        self._account: Optional[str] = None  # as sshd and PAM name it at a login: it may be an alias
        self._named: Optional[str] = None  # as other lines do
        self._address: Optional[str] = None
        self._port: Optional[int] = None
        self._attempts: Dict[Tuple[str, str, str], Attempt] = {}
        self._partial: List[Line] = []
        self._accepted: Optional[Line] = None
        self._places: Dict[str, str] = {}  # where sshd found a key, by its fingerprint
        self._denials: List[str] = []
        self._login: Optional[Entry] = None  # the line by which the user is in
        self._opened: Optional[Entry] = None
        self._closed: Optional[Entry] = None
        self._logind_end: Optional[Entry] = None
        self._ended: Optional[int] = None
        self._ids: List[str] = []

    def is_over(self, at: int, line: Optional[Line], account: Optional[str], grace_us: Optional[int]) -> bool:
        """Whether an entry is one of a later process with the same number.

        `line` is sshd's or PAM's; None for a record, of the user `account`. Only what no client can choose counts.
        """
        if self._is_of_another_account(account) or (line is not None and self._is_another_line(at, line)):
            return True
        over = self._closed.at if self._closed else self._ended
        if over is not None:
            return at - over > _DISORDER
        if self._login is None:
            return grace_us is not None and at - self.began > grace_us + _DISORDER
        kind = None if line is None else line.kind
        if kind is Kind.CLOSED:
            return False
        if kind is Kind.OPENED and self._opened is not None:
            return at - self._opened.at > _DISORDER
        return at - self._login.at > (_SESSION_DELAY if kind in (Kind.OPENED, Kind.DENIED) else _DISORDER)

    def is_over_for_session(self, at: int, grace_us: Optional[int]) -> bool:
        """The same for a session that logind reports."""
        if self._closed is None and self._ended is None and self._login is not None:
            return at - self._login.at > _SESSION_DELAY
        return self.is_over(at, None, None, grace_us)

    def _is_of_another_account(self, account: Optional[str]) -> bool:
        known = self._account or self._recorded
        return account is not None and known is not None and are_of_one_account(account, known, self._uid_of) is False

    def _is_another_line(self, at: int, line: Line) -> bool:
        """Whether it begins a connection, or is of another client."""
        if line.kind is Kind.CONNECTION and (self._address is not None or at - self.began > _DISORDER):
            return True
        peer = (line.address, line.port)
        return line.port is not None and self._port is not None and peer != (self._address, self._port)

    def add_record(self, entry: Entry) -> None:
        """Take a record of a decision."""
        self.is_of_sshd = True
        self.last = max(self.last, entry.at)
        fields = entry.fields
        self._recorded = fields.get("user", self._recorded)
        key = (fields.get("decision", ""), fields.get("reason", ""), fields.get("fingerprint", ""))
        before = self._attempts.get(key)
        if before is None and len(self._attempts) >= _MAX_KEPT:
            return
        elapsed = number(fields.get("elapsed_us"))
        timing = () if elapsed is None else (Timing(elapsed, fields.get("source", "")),)
        self._attempts[key] = Attempt(
            *key[:2],
            user=fields.get("user", ""),
            fingerprint=key[2],
            caller=fields.get("caller", ""),
            request_id=fields.get("request_id", ""),
            policy=fields.get("policy", ""),
            instance_id=fields.get("instance_id", ""),
            message=entry.message,
            first=before.first if before else entry.at,
            last=entry.at,
            timings=(*before.timings, *timing) if before else timing,
            count=before.count + 1 if before else 1,
        )

    def add_line(self, entry: Entry, line: Line) -> None:
        """Take a line of sshd or of PAM. The end of a session whose begin was not read is no connection."""
        self.is_of_sshd = self.is_of_sshd or line.kind is not Kind.CLOSED
        self.last = max(self.last, entry.at)
        if line.kind in OF_ACCOUNTS:
            self._account = line.user or self._account
        else:
            self._named = line.user if self._named is None else self._named
        if line.port is not None or self._port is None:  # one without a port may be a name: sshd_config(5), UseDNS
            self._address, self._port = line.address or self._address, line.port
        if line.kind is Kind.PARTIAL:
            self._partial.append(line)
        elif line.kind is Kind.ACCEPTED:
            self._accepted = line
            self._login = self._login or entry
        elif line.kind is Kind.OPENED:
            self._opened = self._opened or entry
            self._login = self._login or entry
        elif line.kind is Kind.CLOSED:
            self._closed = entry
        elif line.kind is Kind.ENDED or line.detail.startswith(_FATAL):
            self._ended = entry.at
        elif line.kind is Kind.KEY_FOUND and line.fingerprint:
            self._places[line.fingerprint] = line.detail
        if line.kind in (Kind.DENIED, Kind.ERROR) and len(self._denials) < _MAX_KEPT:
            self._denials += [line.detail] if line.detail not in self._denials else []

    def add_session(self, entry: Entry, session_id: str) -> None:
        """Take logind's note that this process leads a new session."""
        self.last = max(self.last, entry.at)
        self._ids.append(session_id)

    def end_session(self, entry: Entry) -> None:
        """Take logind's note that this session ended: all that is known where sshd was killed."""
        self._logind_end = entry

    def value(self, is_running: Callable[[str, int], bool]) -> Connection:
        """What follows from it."""
        session = self._session(is_running)
        found = self._how()
        connection = Connection(
            boot=self.boot,
            pid=self.pid,
            began=self.began,
            last=self.last,
            user=self._user(found),
            address=self._address,
            port=self._port,
            result=Result.LOGIN,
            attempts=tuple(self._attempts.values()),
            login=found,
            session=session,
            sshd=tuple(self._denials),
            over=session.state is not SessionState.OPEN if session else self._is_gone(is_running),
        )
        if found:
            return connection
        deciding = connection.deciding
        result = Result.FAILED if deciding is None else _RESULTS.get(deciding.decision, Result.ERROR)
        return dataclasses.replace(connection, result=result)

    def _user(self, found: Optional[Login]) -> Optional[str]:
        """The account of the login; of a pushed key's, as eic-sshd knows it."""
        if found and found.grant:
            return found.grant.user
        return next((name for name in (self._account, self._recorded, self._named) if name is not None), None)

    def _is_gone(self, is_running: Callable[[str, int], bool]) -> bool:
        return self._ended is not None or not self._lives(is_running)

    def _lives(self, is_running: Callable[[str, int], bool]) -> bool:
        return self.pid is not None and not self.is_replaced and is_running(self.boot, self.pid)

    def _how(self) -> Optional[Login]:
        if self._login is None:
            return None
        lines = [*self._partial, *([self._accepted] if self._accepted else [])]
        return login(self._login.at, lines, tuple(self._attempts.values()), self._account, self._places, self._uid_of)

    def _session(self, is_running: Callable[[str, int], bool]) -> Optional[Session]:
        start = self._opened or self._login
        if start is None:
            return None
        end = self._closed or self._logind_end
        if end is not None:
            state = SessionState.CLOSED
        else:
            state = SessionState.OPEN if self._lives(is_running) else SessionState.LOST
        return Session(
            state=state,
            opened=start.at,
            closed=end.at if end else None,
            length=_length(start, end) if end else None,
            ids=tuple(self._ids),
        )


_RESULTS = {result.value: result for result in Result}


def _length(start: Entry, end: Entry) -> int:
    """Microseconds from one to the other, by the clock that cannot be set where both have it."""
    if start.monotonic is not None and end.monotonic is not None:
        return max(0, end.monotonic - start.monotonic)
    return max(0, end.at - start.at)
