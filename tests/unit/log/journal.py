# SPDX-License-Identifier: Apache-2.0
"""Entries of a journal, as python3-systemd reads them, for what sshd, PAM, logind and eic-sshd write at logins."""

from __future__ import annotations

import collections
from types import MappingProxyType
from typing import Dict, Iterable, Iterator, List, Mapping, Optional

from eic_sshd.log.connection import Connection
from eic_sshd.log.entries import SESSION_ENDED, SESSION_STARTED, Entry, Raw, from_journal
from eic_sshd.log.reader import Journal, Matches, Span
from eic_sshd.log.sessions import Joiner
from eic_sshd.model.outcome import Outcome

BEGIN = 1_700_000_000_000_000  # microseconds since the epoch
SECOND = 1_000_000
EIC_UID, USER_UID = 990, 1000
RECORD_UIDS = frozenset({0, EIC_UID})
BOOT = "b" * 32
CALLER = "arn:aws:sts::123456789012:assumed-role/Admin/alice"
KEY, OTHER_KEY = "SHA256:" + "k" * 43, "SHA256:" + "o" * 43
ADDRESS = "203.0.113.7"


class Log:
    """Collects entries. The clock moves by a millisecond with each, and by `wait`."""

    def __init__(self, boot: str = BOOT, at: int = BEGIN, identifier: str = "sshd") -> None:
        self.entries: List[Raw] = []
        self.at, self.monotonic, self.boot = at, 60 * SECOND, boot
        self.identifier = identifier
        self._requests = 0

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.at += int(seconds * SECOND)
        self.monotonic += int(seconds * SECOND)

    def write(self, uid: int, pid: int, message: str, **fields: str) -> None:
        """One entry of a process."""
        self.wait(0.001)
        self.entries.append(
            {
                "__REALTIME_TIMESTAMP": self.at,
                "__MONOTONIC_TIMESTAMP": (self.monotonic, self.boot),
                "_BOOT_ID": self.boot.encode(),
                "_UID": str(uid).encode(),
                "_PID": str(pid).encode(),
                "MESSAGE": message.encode(),
                **{name: value.encode() for name, value in fields.items()},
            }
        )

    def sshd(self, pid: int, *messages: str, uid: int = 0) -> None:
        """sshd's lines."""
        for message in messages:
            self.write(uid, pid, message, SYSLOG_IDENTIFIER=self.identifier)

    def record(
        self,
        pid: Optional[int],
        outcome: Outcome = Outcome.GRANTED,
        reason: str = "granted",
        uid: int = EIC_UID,
        **fields: str,
    ) -> None:
        """A record of eic-sshd, with fields by their names in JSON."""
        found: Dict[str, str] = {
            "decision": outcome.value,
            "reason": reason,
            "user": "ec2-user",
            "fingerprint": KEY,
            "elapsed_us": "1500",
            "source": "imds",
            **({} if pid is None else {"sshd_pid": str(pid)}),
            **({"caller": CALLER, "request_id": "r-1"} if outcome is Outcome.GRANTED else {}),
            "instance_id": "i-0123456789abcdef0",
            **fields,
        }
        journal = {f"EIC_{name.upper()}": value for name, value in found.items()}
        self.write(uid, 700, "the record", SYSLOG_IDENTIFIER="eic-sshd", MESSAGE_ID=outcome.message_id, **journal)

    def accepted(self, pid: int, method: str = "publickey", key: str = KEY, user: str = "ec2-user") -> None:
        """sshd's line about a login."""
        suffix = f": ED25519 {key}" if method == "publickey" else ""
        self.sshd(pid, f"Accepted {method} for {user} from {ADDRESS} port 50000 ssh2{suffix}")

    def opened(self, pid: int, user: str = "ec2-user", session: Optional[str] = "7") -> None:
        """PAM's and logind's entries when a session begins."""
        self.sshd(pid, f"pam_unix(sshd:session): session opened for user {user}(uid={USER_UID}) by (uid=0)")
        if session is not None:
            self.logind(SESSION_STARTED, session, pid)

    def closed(self, pid: int, user: str = "ec2-user", session: Optional[str] = "7") -> None:
        """PAM's and logind's entries when a session ends."""
        self.sshd(pid, f"pam_unix(sshd:session): session closed for user {user}")
        if session is not None:
            self.logind(SESSION_ENDED, session, pid)

    def logind(self, message_id: str, session: str, leader: int, uid: int = 0) -> None:
        """An entry of systemd-logind."""
        fields = {"SESSION_ID": session, "USER_ID": "ec2-user", "LEADER": str(leader)}
        self.write(uid, 300, "a session", SYSLOG_IDENTIFIER="systemd-logind", MESSAGE_ID=message_id, **fields)

    def login(self, pid: int, *, seconds: float = 60.0, session: str = "7") -> None:
        """A whole login with a pushed key: sshd asks twice."""
        self.record(pid)
        self.record(pid, source="cache")
        self.accepted(pid)
        self.opened(pid, session=session)
        self.wait(seconds)
        self.closed(pid, session=session)


def trusted(entries: Iterable[Raw]) -> Iterator[Entry]:
    """The entries that count."""
    return (entry for entry in (from_journal(raw, RECORD_UIDS) for raw in entries) if entry is not None)


def joined(
    *logs: Log,
    running: Iterable[int] = (),
    login_grace: float = 120.0,
    accounts: Mapping[str, int] = MappingProxyType({}),
) -> List[Connection]:
    """The connections of the logs, one after another. Of the sshd processes, `running` are not over.

    `accounts` are the uids of the accounts that there are, by name.
    """
    entries = [raw for log in logs for raw in log.entries]
    alive = {(logs[-1].boot, pid) for pid in running}
    return (
        Joiner(login_grace, accounts.get).add_all(trusted(entries)).connections(lambda boot, pid: (boot, pid) in alive)
    )


def only(*logs: Log, running: Iterable[int] = ()) -> Connection:
    """The one connection of the logs."""
    (connection,) = joined(*logs, running=running)
    return connection


class MemoryJournal(Journal):
    """A journal of these entries; what `later` has is added after each wait of `follow`, which then ends."""

    def __init__(self, entries: Iterable[Raw], later: Iterable[Iterable[Raw]] = ()) -> None:
        super().__init__(RECORD_UIDS)
        self._entries = list(entries)
        self._later = [list(one) for one in later]

    def entries(self, matches: Matches, span: Span) -> Iterator[Entry]:
        return trusted(raw for raw in self._entries if self.has(raw, matches, span))

    def follow(self, matches: Matches, span: Span, wait: float) -> Iterator[Optional[Entry]]:
        yield from self.entries(matches, span)
        yield None
        for batch in self._later:
            self._entries = batch
            yield from self.entries(matches, span)
            yield None

    def first(self) -> Optional[int]:
        return min((int(str(raw["__REALTIME_TIMESTAMP"])) for raw in self._entries), default=None)

    def forged(self, span: Span) -> Dict[int, int]:
        return {}

    @staticmethod
    def has(raw: Raw, matches: Matches, span: Span) -> bool:
        """Whether a reader with these matches finds the entry: sd_journal_add_match(3)."""
        if span.since is not None and int(str(raw["__REALTIME_TIMESTAMP"])) < span.since:
            return False
        if span.boot is not None and raw["_BOOT_ID"] != span.boot.encode():
            return False
        return any(_has_all(raw, group) for group in matches)


def _has_all(raw: Raw, group: Iterable[str]) -> bool:
    wanted: Dict[str, List[bytes]] = collections.defaultdict(list)
    for match in group:
        name, _, value = match.partition("=")
        wanted[name].append(value.encode())
    return all(raw.get(name) in values for name, values in wanted.items())
