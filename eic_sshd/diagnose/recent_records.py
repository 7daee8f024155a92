# SPDX-License-Identifier: Apache-2.0
"""What the log of the last day says that is wrong: eic-sshd's records of decisions, and sshd's own lines.

A finding is left out if a later granted key shows that its cause is gone, unless it may be a sign of an attack. A
finding of a record has the code `recent-REASON`.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, Iterator, List, NamedTuple, Pattern, Sequence

from ..model.outcome import WARNING, Outcome
from ..model.reasons import Reason
from .finding import Finding, ok, warning

_MAX_SHOWN = 160  # characters of a message


class Entry(NamedTuple):
    """An entry of the log, written by eic-sshd or by sshd, at the Unix time `at`.

    `reason` is that of a record of a decision, empty in a line of sshd.
    """

    at: float
    message: str
    reason: str = ""


class _Line(NamedTuple):
    """A line of sshd that is worth a finding, by a pattern of it.

    `ends_with_a_grant`: a granted key shows that it is over, since sshd then ran eic-sshd.
    """

    code: str
    pattern: Pattern[str]
    problem: str
    remedy: str
    ends_with_a_grant: bool = False


# They may mean that another host answered in place of IMDS, for a moment or for one user.
MAY_BE_AN_ATTACK = frozenset({
    Reason.BAD_SIGNATURE, Reason.BLOCK_MALFORMED, Reason.CALLER_MALFORMED, Reason.CALLER_MISSING,
    Reason.DOMAIN_UNKNOWN, Reason.EXPIRY_BEYOND_WINDOW, Reason.INSTANCE_MISMATCH, Reason.KEY_MALFORMED,
    Reason.REGION_MISMATCH, Reason.SIGNER_NAME_MISMATCH, Reason.SIGNER_REVOKED,
    Reason.SIGNER_UNTRUSTED,
})  # fmt: skip
_REASONS = {reason.word: reason for reason in Reason}
# sshd's words: auth.c, auth2-pubkey.c, misc.c, sshd.c and srclimit.c of OpenSSH 8.7 to 10.
_LINES = (
    _Line(
        "recent-program-unsafe",
        re.compile("(Unsafe|Could not stat) AuthorizedKeysCommand|AuthorizedKeysCommand path is not absolute"),
        "sshd refused to run its AuthorizedKeysCommand",
        "Correct what the line names",
        ends_with_a_grant=True,
    ),
    _Line(
        "recent-program-unusable",
        re.compile(r"AuthorizedKeysCommand execve|AuthorizedKeysCommand \S.* (failed, status|exited on signal)"),
        "sshd could not run its AuthorizedKeysCommand",
        "Correct what the line names",
        ends_with_a_grant=True,
    ),
    _Line(
        "recent-account-missing",
        re.compile(r'AuthorizedKeysCommandUser "[^"]*" not found'),
        "sshd did not find its AuthorizedKeysCommandUser",
        "Run `systemd-sysusers`",
        ends_with_a_grant=True,
    ),
    _Line(
        "too-many-keys",
        re.compile(r"maximum authentication attempts exceeded"),
        "a client offered more keys than sshd accepts (MaxAuthTries)",
        "Log in with `ssh -o IdentitiesOnly=yes -i KEY`",
    ),
    _Line(
        "connections-dropped",
        re.compile(r"drop connection #\d|beginning MaxStartups throttling"),
        "sshd dropped connections (MaxStartups, PerSourcePenalties)",
        "Wait until the penalty is over, connect less often, or raise these settings",
    ),
    _Line(
        "pam-denied",
        re.compile(r"Access denied for user .* by PAM account configuration"),
        "PAM refused a user after sshd had accepted the key",
        "`eic-sshd doctor --user USER` names the cause",
    ),
    _Line(
        "user-not-allowed",
        re.compile(r"User .* not allowed because"),
        "sshd refused a user before it looked at a key",
        "`eic-sshd doctor --user USER` names the cause",
    ),
    _Line(
        "key-options-refused",
        re.compile(r"Refused by (key|certificate) options|correct key but not from a permitted host"),
        "sshd refused a key because of its options",
        "Look at [keys] options",
    ),
)  # fmt: skip


def findings(entries: Iterable[Entry], now: float, span: str = "the last day") -> Iterator[Finding]:
    """What is wrong in `entries`, in the order of their time; a finding OK if nothing is. `span` is what they cover."""
    records: Dict[str, List[Entry]] = {}
    lines: Dict[_Line, List[Entry]] = {}
    granted = 0
    for entry in entries:
        reason = _REASONS.get(entry.reason)
        if reason is not None:
            if reason is Reason.GRANTED:
                granted += 1
                records = {word: seen for word, seen in records.items() if _REASONS[word] in MAY_BE_AN_ATTACK}
                lines = {line: seen for line, seen in lines.items() if not line.ends_with_a_grant}
            elif _is_telling(reason):
                records.setdefault(reason.word, []).append(entry)
        elif not entry.reason:
            found_line = next((one for one in _LINES if one.pattern.search(entry.message)), None)
            if found_line is not None:
                lines.setdefault(found_line, []).append(entry)
    found = [*_of_records(records, now), *_of_lines(lines, now)]
    yield from found
    if not found:
        yield ok("records-clean", "the log", f"nothing wrong in {span}; {granted} records of a granted key")


def _is_telling(reason: Reason) -> bool:
    """Whether it tells of something that an administrator can correct, and not of an ordinary refusal."""
    return reason.outcome in (Outcome.REFUSED, Outcome.ERROR) and reason.severity <= WARNING


def _of_records(records: Dict[str, List[Entry]], now: float) -> Iterator[Finding]:
    for word, entries in records.items():
        remedy = _REASONS[word].remedy.rstrip(".")
        yield warning(f"recent-{word}", "the log", f"`{word}` {_times(entries, now)} ({_shown(entries)})", remedy)


def _of_lines(lines: Dict[_Line, List[Entry]], now: float) -> Iterator[Finding]:
    for line, entries in lines.items():
        problem = f"{line.problem} {_times(entries, now)} ({_shown(entries)})"
        yield warning(line.code, "sshd's log", problem, line.remedy)


def _times(entries: Sequence[Entry], now: float) -> str:
    minutes = max(now - entries[-1].at, 0) / 60
    ago = f"{minutes:.0f} min ago" if minutes < 120 else f"{minutes / 60:.0f} h ago"
    return f"once, {ago}" if len(entries) == 1 else f"{len(entries)} times, the last {ago}"


def _shown(entries: Sequence[Entry]) -> str:
    """The last message, or its first words: half an address or half a name would not be redacted."""
    message = entries[-1].message.rstrip(".")
    return message if len(message) <= _MAX_SHOWN else f"{message[:_MAX_SHOWN].rpartition(' ')[0]} ..."
