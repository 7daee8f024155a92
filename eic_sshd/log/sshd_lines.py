# SPDX-License-Identifier: Apache-2.0
"""sshd's lines in the log, and those of the PAM modules that run in it.

Formats: auth.c, auth2.c, monitor.c, packet.c, session.c and sshd.c of OpenSSH 8.7 to 10.0; pam_unix(8).

A client chooses some of the texts, such as the name in `Invalid user NAME from ADDRESS port PORT`. Therefore each
pattern matches the whole line, and the address is the last one in it. What sshd's unprivileged process sent before the
authentication ends with ` [preauth]`: such a line never counts as a login.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

IDENTIFIERS = ("sshd", "sshd-session", "sshd-auth")  # one process up to OpenSSH 9.7; from 9.8 and 10.0 the others too
_LIMIT = 2048  # characters of a line that are parsed
_PREAUTH = " [preauth]"


class Kind(enum.Enum):
    """What a line reports."""

    CONNECTION = "connection"  # at LogLevel VERBOSE
    ACCEPTED = "accepted"
    PARTIAL = "partial"  # one of several methods that AuthenticationMethods requires
    FAILED = "failed"
    KEY_FOUND = "key-found"  # at LogLevel VERBOSE: the file or command, and the line of its output
    OPENED = "opened"
    CLOSED = "closed"
    ENDED = "ended"  # the connection ended before a login
    DENIED = "denied"  # why sshd or PAM does not let the user in
    ERROR = "error"  # an error of the AuthorizedKeysCommand


@dataclass(frozen=True)
class Line:
    """One line. `detail` is its text, for kinds that explain a denial; `pid` is set if it is about another process."""

    kind: Kind
    user: Optional[str] = None
    address: Optional[str] = None
    port: Optional[int] = None
    method: Optional[str] = None
    fingerprint: Optional[str] = None
    is_certificate: bool = False
    detail: str = ""
    pid: Optional[int] = None


_FROM = r"from (?P<address>\S+) port (?P<port>\d+)"
_PEER = r"(?P<address>\S+) port (?P<port>\d+)"
# `ED25519 SHA256:...` (or MD5:..., by FingerprintHash), or for a certificate, by the fingerprint of its plain key,
# `ED25519-CERT SHA256:... ID alice (serial 0) CA ED25519 SHA256:...`.
_FINGERPRINT = r"(?P<fingerprint>SHA256:[A-Za-z0-9+/]{43}|MD5(?::[0-9a-f]{2}){16})"
_KEY = rf"(?:: (?P<key_type>\S+) {_FINGERPRINT}(?: .*)?|: .*)?"
_WHO = r"(?:(?:authenticating|invalid) user (?P<user>.*) )?"

# By the first word of the line. The flag: whether the line may, must or must not have ` [preauth]` behind it.
_MAY, _MUST, _MUST_NOT = None, True, False
_Pattern = Tuple[Kind, Optional[bool], str]
_PATTERNS: Sequence[_Pattern] = (
    (Kind.CONNECTION, _MUST_NOT, rf"Connection {_FROM} on \S+ port \d+.*"),
    (Kind.ACCEPTED, _MUST_NOT, rf"Accepted (?P<method>\S+) for (?P<user>.*) {_FROM} ssh2{_KEY}"),
    (Kind.PARTIAL, _MUST_NOT, rf"Partial (?P<method>\S+) for (?P<user>.*) {_FROM} ssh2{_KEY}"),
    (Kind.FAILED, _MAY, rf"Failed (?P<method>\S+) for (?:invalid user )?(?P<user>.*) {_FROM} ssh2{_KEY}"),
    (
        Kind.KEY_FOUND,
        _MUST_NOT,
        rf"Accepted key \S+ {_FINGERPRINT} found at (?P<detail>.*:\d+)",
    ),
    (
        Kind.OPENED,
        _MUST_NOT,
        r"pam_unix\(sshd:session\): session opened for user (?P<user>[^\s()]+)(?:\(uid=\d+\))?(?: by .*)?",
    ),
    (Kind.CLOSED, _MUST_NOT, r"pam_unix\(sshd:session\): session closed for user (?P<user>\S+)"),
    (Kind.DENIED, _MAY, r"pam_\w+\(sshd:account\): .*"),
    (Kind.DENIED, _MAY, r"Access denied for user (?P<user>.*) by PAM account configuration.*"),
    (Kind.DENIED, _MAY, r"User (?P<user>.*) from (?P<address>\S+) not allowed because .*"),
    (Kind.DENIED, _MAY, rf"ROOT LOGIN REFUSED FROM {_PEER}"),
    (Kind.DENIED, _MAY, r"Authentication tried for (?P<user>\S+) with .*"),
    (
        Kind.DENIED,
        _MAY,
        rf"maximum authentication attempts exceeded for (?:invalid user )?(?P<user>.*) {_FROM} ssh2",
    ),
    (Kind.DENIED, _MAY, rf"Disconnecting {_WHO}{_PEER}: .*"),
    (Kind.DENIED, _MAY, rf"Invalid user (?P<user>.*) {_FROM}"),
    (Kind.DENIED, _MAY, r"PAM: .*"),
    (Kind.ENDED, _MUST, rf"Connection (?:closed|reset) by {_WHO}{_PEER}.*"),
    (Kind.ENDED, _MUST, rf"Disconnected from {_WHO}{_PEER}"),
    (Kind.ENDED, _MAY, rf"Timeout before authentication for {_PEER}"),
    (
        Kind.ENDED,  # from OpenSSH 9.8 on; the listener writes it
        _MUST_NOT,
        r"Timeout before authentication for connection from (?P<address>\S+) to \S+, pid = (?P<pid>\d+)",
    ),
    (Kind.ERROR, _MAY, r"Could not stat AuthorizedKeysCommand .*"),
    (Kind.ERROR, _MAY, r"Unsafe AuthorizedKeysCommand .*"),
    (Kind.ERROR, _MAY, r"AuthorizedKeysCommand(?:User)? .*"),
)


def _by_first_word(
    patterns: Sequence[_Pattern],
) -> Sequence[Tuple[str, Kind, Optional[bool], re.Pattern[str]]]:
    """Each with the plain text that its lines begin with, by which most lines are recognised quickly."""
    return [
        (re.split(r"[\\(\[ ]", text, maxsplit=1)[0], kind, preauth, re.compile(text))
        for kind, preauth, text in patterns
    ]


_TABLE = _by_first_word(_PATTERNS)


def parse(message: str) -> Optional[Line]:
    """What the line reports; None for a line that says nothing about a login."""
    if len(message) > _LIMIT:
        return None
    text = message
    for level in ("error: ", "fatal: "):  # log.c
        if text.startswith(level):
            text = text[len(level) :]
    is_preauth = text.endswith(_PREAUTH)
    if is_preauth:
        text = text[: -len(_PREAUTH)]
    for word, kind, preauth, pattern in _TABLE:
        if preauth in (None, is_preauth) and text.startswith(word):
            found = pattern.fullmatch(text)
            if found:
                return _line(kind, found, text)
    return None


def _line(kind: Kind, found: re.Match[str], text: str) -> Line:
    parts = found.groupdict()
    port, pid = parts.get("port"), parts.get("pid")
    explains = kind in (Kind.DENIED, Kind.ERROR)
    return Line(
        kind=kind,
        user=parts.get("user"),
        address=parts.get("address"),
        port=_number(port),
        method=parts.get("method"),
        fingerprint=parts.get("fingerprint"),
        is_certificate=(parts.get("key_type") or "").endswith("-CERT"),
        detail=text if explains else parts.get("detail") or "",
        pid=_number(pid),
    )


def _number(digits: Optional[str]) -> Optional[int]:
    return int(digits) if digits and len(digits) < 10 else None
