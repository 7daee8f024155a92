# SPDX-License-Identifier: Apache-2.0
"""What was read of one connection so far, and what follows from it."""

from __future__ import annotations

import dataclasses
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from .connection import (
    Attempt,
    By,
    Connection,
    Evidence,
    Login,
    Result,
    Session,
    SessionState,
    Timing,
)
from .entries import Entry, number
from .sshd_lines import Kind, Line

# journald reads sshd's lines and eic-sshd's records from two sockets. So a line may overtake a record by this much.
_DISORDER = 2_000_000  # microseconds
_FATAL = ("Access denied ", "Disconnecting ")  # of the lines that explain a denial, those after which sshd ends
_MAX_KEPT = 32  # lines that explain a denial, and attempts, of one connection (sshd_config(5), MaxAuthTries: 6)


class OneConnection:
    """The process `pid` of `boot`, from its first entry on."""

    def __init__(self, boot: str, pid: Optional[int], began: int) -> None:
        self.boot, self.pid, self.began, self.last = boot, pid, began, began
        self.user: Optional[str] = None
        self.is_of_sshd = False  # whether there is more than a session of logind
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

    def is_over(self, at: int, kind: Optional[Kind], user: Optional[str], grace_us: Optional[int]) -> bool:
        """Whether an entry about `user` is one of a later process with the same number.

        `kind` is what it reports; None for a record.
        """
        if user is not None and self.user is not None and user != self.user:
            return True
        over = self._closed.at if self._closed else self._ended
        if over is not None:
            return at - over > _DISORDER
        if self._login is not None:
            return at - self._login.at > _DISORDER and kind not in (Kind.OPENED, Kind.CLOSED, Kind.DENIED)
        return grace_us is not None and at - self.began > grace_us + _DISORDER

    def add_record(self, entry: Entry) -> None:
        """Take a record of a decision."""
        self.is_of_sshd = True
        self._note(entry, entry.fields.get("user"))
        fields = entry.fields
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
        self._note(entry, line.user)
        self._address = line.address or self._address
        self._port = self._port if line.port is None else line.port
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

    def _note(self, entry: Entry, user: Optional[str]) -> None:
        self.last = max(self.last, entry.at)
        self.user = self.user if user is None else user

    def value(self, is_running: Callable[[str, int], bool]) -> Connection:
        """What follows from it."""
        session = self._session(is_running)
        login = self._how()
        connection = Connection(
            boot=self.boot,
            pid=self.pid,
            began=self.began,
            last=self.last,
            user=self.user,
            address=self._address,
            port=self._port,
            result=Result.LOGIN,
            attempts=tuple(self._attempts.values()),
            login=login,
            session=session,
            sshd=tuple(self._denials),
            over=session.state is not SessionState.OPEN if session else self._is_gone(is_running),
        )
        if login:
            return connection
        deciding = connection.deciding
        result = Result.FAILED if deciding is None else _RESULTS.get(deciding.decision, Result.ERROR)
        return dataclasses.replace(connection, result=result)

    def _is_gone(self, is_running: Callable[[str, int], bool]) -> bool:
        return self._ended is not None or self.pid is None or not is_running(self.boot, self.pid)

    def _how(self) -> Optional[Login]:
        """The login, and whether a grant of eic-sshd allowed it."""
        if self._login is None:
            return None
        lines = [*self._partial, *([self._accepted] if self._accepted else [])]
        methods = tuple(line.method or "" for line in lines)
        keys = [line for line in lines if line.method == "publickey" and line.fingerprint]
        plain = [line.fingerprint or "" for line in keys if not line.is_certificate]
        grant = self._grant(plain)
        granted = grant.fingerprints if grant else ()
        named = [one for one in plain if one in granted]
        fingerprint = keys[-1].fingerprint if keys else None
        if grant:
            fingerprint = named[-1] if named else ", ".join(granted)
        return Login(
            at=self._login.at,
            by=_BY[grant.decision] if grant else By.OTHER,
            methods=methods,
            fingerprint=fingerprint,
            key_place=self._places.get(fingerprint or ""),
            grant=grant,
            evidence=(Evidence.ACCEPTED_LINE if named else Evidence.SESSION_ONLY) if grant else None,
        )

    def _grant(self, accepted: Sequence[str]) -> Optional[Attempt]:
        """The last grant of a key with one of the fingerprints that sshd accepted.

        The last grant of all if sshd logged no key, or one by its MD5 fingerprint, which grants do not have.
        """
        grants = [one for one in self._attempts.values() if one.decision in _BY and one.user == self.user]
        if (self._accepted or self._partial) and not any(one.startswith("MD5:") for one in accepted):
            grants = [one for one in grants if set(accepted) & set(one.fingerprints)]
        return max(grants, key=lambda one: one.last, default=None)

    def _session(self, is_running: Callable[[str, int], bool]) -> Optional[Session]:
        start = self._opened or self._login
        if start is None:
            return None
        end = self._closed or self._logind_end
        if end is not None:
            state = SessionState.CLOSED
        else:
            lives = self.pid is not None and is_running(self.boot, self.pid)
            state = SessionState.OPEN if lives else SessionState.LOST
        return Session(
            state=state,
            opened=start.at,
            closed=end.at if end else None,
            length=_length(start, end) if end else None,
            ids=tuple(self._ids),
        )


_RESULTS = {result.value: result for result in Result}
_BY = {"granted": By.PUSHED_KEY, "fallback": By.FALLBACK_FILE}


def _length(start: Entry, end: Entry) -> int:
    """Microseconds from one to the other, by the clock that cannot be set where both have it."""
    if start.monotonic is not None and end.monotonic is not None:
        return max(0, end.monotonic - start.monotonic)
    return max(0, end.at - start.at)
