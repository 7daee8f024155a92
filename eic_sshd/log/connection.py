# SPDX-License-Identifier: Apache-2.0
"""One connection of an SSH client: eic-sshd's decisions, what sshd did, and the login session."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Optional, Tuple


class Result(enum.Enum):
    """What came of a connection: a login, or what was decided last where none came of it."""

    LOGIN = "login"
    GRANTED = "granted"  # a pushed key was granted, but sshd opened no session
    FALLBACK = "fallback"  # as GRANTED, of keys from `[fallback] keys_file`
    REFUSED = "refused"
    ERROR = "error"
    NONE = "none"  # no key was pushed
    FAILED = "failed"  # eic-sshd has no record of it


class By(enum.Enum):
    """How a user logged in."""

    PUSHED_KEY = "pushed-key"
    FALLBACK_FILE = "fallback-file"
    OTHER = "other"  # without a grant of eic-sshd: a key on disk, a password, a chained command, ...


class Evidence(enum.Enum):
    """Why a login counts as one by a granted key."""

    ACCEPTED_LINE = "accepted-line"  # sshd's `Accepted publickey` names the fingerprint of the grant
    SESSION_ONLY = "session-only"  # sshd logs no such line (`LogLevel ERROR`): the process with the grant had a session


class SessionState(enum.Enum):
    """Whether a session has ended."""

    OPEN = "open"
    CLOSED = "closed"
    LOST = "lost"  # no record of its end, and its process does not exist any more


@dataclass(frozen=True)
class Timing:
    """How long one decision took, in microseconds, and where its answer came from (`imds`, `cache`, `file`)."""

    elapsed_us: int
    source: str


@dataclass(frozen=True)
class Attempt:
    """Equal decisions on one connection: sshd asks twice for a key that logs in. `first` and `last` in microseconds.

    `caller` and `request_id` are those of the last one: several are joined by `, `.
    """

    decision: str
    reason: str
    user: str
    fingerprint: str
    caller: str
    request_id: str
    policy: str
    instance_id: str
    message: str
    first: int
    last: int
    timings: Tuple[Timing, ...] = ()
    count: int = 1

    @property
    def fingerprints(self) -> Tuple[str, ...]:
        """The keys of this decision; none if sshd named no key and none was granted."""
        return tuple(self.fingerprint.split(", ")) if self.fingerprint else ()

    @property
    def request_ids(self) -> Tuple[str, ...]:
        """The request ids of the pushes that were granted."""
        return tuple(self.request_id.split(", ")) if self.request_id else ()


@dataclass(frozen=True)
class Login:
    """A login, at `at` (microseconds). `grant` is what let it in; None if that was not eic-sshd."""

    at: int
    by: By
    methods: Tuple[str, ...]
    fingerprint: Optional[str] = None
    key_place: Optional[str] = None
    grant: Optional[Attempt] = None
    evidence: Optional[Evidence] = None


@dataclass(frozen=True)
class Session:
    """A login session; `opened` and `closed` in microseconds since the epoch, `length` in microseconds.

    `ids` are those of systemd-logind.
    """

    state: SessionState
    opened: int
    closed: Optional[int] = None
    length: Optional[int] = None
    ids: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Connection:
    """What the journal tells of one connection. Times are in microseconds since the epoch.

    `pid` is the sshd process that ran eic-sshd, authenticated the user and leads the session. `sshd` has sshd's lines
    that explain a denial.
    """

    boot: str
    pid: Optional[int]
    began: int
    last: int
    user: Optional[str]
    address: Optional[str]
    port: Optional[int]
    result: Result
    attempts: Tuple[Attempt, ...] = ()
    login: Optional[Login] = None
    session: Optional[Session] = None
    sshd: Tuple[str, ...] = ()
    over: bool = False

    @property
    def deciding(self) -> Optional[Attempt]:
        """The decision that explains the result; None if sshd did not run eic-sshd, or that did not let the user in."""
        if self.login:
            return self.login.grant
        return max(self.attempts, key=_weight, default=None)

    @property
    def reason(self) -> Optional[str]:
        """The reason of that decision."""
        return self.deciding.reason if self.deciding else None

    @property
    def request_ids(self) -> Tuple[str, ...]:
        """The request ids of the pushes with which the user logged in."""
        return self.login.grant.request_ids if self.login and self.login.grant else ()


# Which decision explains the most: that a key was granted, that eic-sshd could not decide, that it refused a key. The
# client's other keys are refused for these reasons in the ordinary course.
_ORDINARY = ("fingerprint-mismatch", "no-active-keys")
_WEIGHTS = {"granted": 5, "fallback": 4, "refused": 3, "error": 3}


def _weight(attempt: Attempt) -> Tuple[int, int]:
    if attempt.reason in _ORDINARY:
        return (_ORDINARY[::-1].index(attempt.reason), attempt.last)
    return (_WEIGHTS.get(attempt.decision, 2), attempt.last)
