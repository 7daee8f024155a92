# SPDX-License-Identifier: Apache-2.0
"""sshd's lines in the log, and those of the PAM modules that run in it.

Formats: auth.c, auth2.c, monitor.c, packet.c, session.c and sshd.c of OpenSSH 8.7 to 10.0; pam_unix(8).

A client chooses some of the texts: a name that is no account's, as in `Invalid user NAME from ADDRESS port PORT`, the
names of a service and of a method, the ID of a certificate. Therefore each pattern matches the whole line. The address
is the first one behind the name of an account, and the last one where nothing that a client chose follows it. Where
both sides of it were chosen, and more than one part of the line could be the address, it is unknown.

What sshd's unprivileged process sent before the authentication ends with ` [preauth]`: such a line never counts as a
login.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Dict, Optional, Sequence, Tuple

from .names import unescape

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


_ADDRESS = r"(?P<address>[0-9A-Fa-f:.]{2,45}(?:%[^\s%]{1,15})?|UNKNOWN)"
_PEER = rf"{_ADDRESS} port (?P<port>\d{{1,5}})"
_FROM = rf"from {_PEER}"
# `ED25519 SHA256:...` (or MD5:..., by FingerprintHash), or for a certificate, by the fingerprint of its plain key,
# `ED25519-CERT SHA256:... ID alice (serial 0) CA ED25519 SHA256:...`. A client chooses the ID.
_FINGERPRINT = r"(?P<fingerprint>SHA256:[A-Za-z0-9+/]{43}|MD5(?::[0-9a-f]{2}){16})"
_KEY = rf"(?:: (?P<key_type>\S+) {_FINGERPRINT}(?: .*)?|: .*)?"
# sshpkt_fmt_connection_id() of packet.c cuts this at 511 bytes: with a longer name, only the name is left.
_WHO = r"(?:authenticating user (?P<user>.{1,256}?) |invalid user (?P<chosen>.{0,256}?) )?"
_CLIENT = rf"(?:{_WHO}{_PEER}|invalid user .*)"

# By the first word of the line. The flag: whether the line may, must or must not have ` [preauth]` behind it.
# `user` is an account: sshd writes `invalid user` before other names. `chosen` is text of a client, in a line that has
# more of such text behind the address.
_MAY, _MUST, _MUST_NOT = None, True, False
_Pattern = Tuple[Kind, Optional[bool], str]
_PATTERNS: Sequence[_Pattern] = (
    (Kind.CONNECTION, _MUST_NOT, rf"Connection {_FROM} on \S+ port \d+.*"),
    (Kind.ACCEPTED, _MUST_NOT, rf"Accepted (?P<method>\S+) for (?P<user>.*?) {_FROM} ssh2{_KEY}"),
    (Kind.PARTIAL, _MUST_NOT, rf"Partial (?P<method>\S+) for (?P<user>.*?) {_FROM} ssh2{_KEY}"),
    (Kind.FAILED, _MUST_NOT, rf"Failed (?P<method>password|none) for invalid user (?P<user>.*) {_FROM} ssh2"),
    (Kind.FAILED, _MUST_NOT, rf"Failed (?P<method>\S+) for invalid user (?P<chosen>.*?) {_FROM} ssh2{_KEY}"),
    (Kind.FAILED, _MUST_NOT, rf"Failed (?P<method>\S+) for (?P<user>.*?) {_FROM} ssh2{_KEY}"),
    (Kind.FAILED, _MUST, r"Failed .*"),  # a client chooses the name of the method, too
    (
        Kind.KEY_FOUND,
        _MUST_NOT,
        rf"Accepted key \S+ {_FINGERPRINT} found at (?P<detail>.*:\d+)",
    ),
    (
        Kind.OPENED,
        _MUST_NOT,
        r"pam_unix\(sshd:session\): session opened for user (?P<user>.+?)(?:\(uid=\d+\))?(?: by .*)?",
    ),
    (Kind.CLOSED, _MUST_NOT, r"pam_unix\(sshd:session\): session closed for user (?P<user>.+)"),
    (Kind.DENIED, _MAY, r"pam_\w+\(sshd:account\): .*"),
    (Kind.DENIED, _MAY, r"Access denied for user (?P<user>.*) by PAM account configuration.*"),
    (Kind.DENIED, _MAY, r"User (?P<user>.*?) from (?P<address>\S+) not allowed because .*"),
    (Kind.DENIED, _MAY, r"User (?P<user>.*?) not allowed because .*"),  # its shell, a lock, /etc/nologin
    (Kind.DENIED, _MAY, r"User (?P<user>.*) password has expired .*"),
    (Kind.DENIED, _MAY, r"Account (?P<user>.*) has expired"),
    (Kind.DENIED, _MAY, rf"ROOT LOGIN REFUSED FROM {_PEER}"),
    (Kind.DENIED, _MAY, r"Refused by (?:key|certificate) options"),
    # In front of it is the place of the options, since OpenSSH 7.8.
    (
        Kind.DENIED,
        _MUST_NOT,
        r"(?:/.{1,300}:\d+: )?Authentication tried for (?P<user>.*?) with [a-z ]+ but not from a permitted .*",
    ),
    (
        Kind.DENIED,
        _MAY,
        rf"maximum authentication attempts exceeded for (?:invalid user )?(?P<user>.*) {_FROM} ssh2",
    ),
    (Kind.DENIED, _MAY, rf"Disconnecting {_CLIENT}: .*"),  # the reason can have the name of a service
    (Kind.DENIED, _MAY, rf"Invalid user (?P<user>.*) {_FROM}"),
    (Kind.DENIED, _MAY, r"PAM: .*"),
    (Kind.ENDED, _MUST, rf"Connection (?:closed|reset) by {_CLIENT}"),
    (Kind.ENDED, _MUST, rf"Disconnected from {_CLIENT}"),
    (Kind.ENDED, _MAY, rf"Timeout before authentication for {_PEER}"),
    (
        Kind.ENDED,  # from OpenSSH 9.8 on; the listener writes it
        _MUST_NOT,
        rf"Timeout before authentication for connection from {_ADDRESS} to \S+, pid = (?P<pid>\d+)",
    ),
    (Kind.ERROR, _MAY, r"Could not stat AuthorizedKeysCommand .*"),
    (Kind.ERROR, _MAY, r"Unsafe AuthorizedKeysCommand .*"),
    (Kind.ERROR, _MAY, r"AuthorizedKeysCommand(?:User)? .*"),
)


_Entry = Tuple[str, Kind, Optional[bool], re.Pattern[str], Optional[re.Pattern[str]]]


def _by_first_word(patterns: Sequence[_Pattern]) -> Sequence[_Entry]:
    """Each with the plain text that its lines begin with, by which most lines are recognised quickly.

    The last is for patterns with `chosen`: the same, but with the last address instead of the first.
    """
    return [
        (
            re.split(r"[\\(\[ ]", text, maxsplit=1)[0],
            kind,
            preauth,
            re.compile(text),
            re.compile(re.sub(r"(\(\?P<chosen>[^?)]*)\?\)", r"\1)", text)) if "<chosen>" in text else None,
        )
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
    for word, kind, preauth, pattern, last in _TABLE:
        if preauth in (None, is_preauth) and text.startswith(word):
            found = pattern.fullmatch(text)
            if found:
                parts = found.groupdict()
                if parts.get("chosen") is not None:
                    parts.update(_chosen(parts["chosen"], last.fullmatch(text) if last else None))
                return _line(kind, parts, text, is_preauth)
    return None


def _chosen(first: Optional[str], last: Optional[re.Match[str]]) -> Dict[str, Optional[str]]:
    """What changes in a line that has text of a client in front of its address and behind it."""
    if last and last["chosen"] == first:
        return {"user": first}
    return {"user": None, "address": None, "port": None}


def _line(kind: Kind, parts: Dict[str, Optional[str]], text: str, is_preauth: bool) -> Line:
    user, port, pid = parts.get("user"), parts.get("port"), parts.get("pid")
    explains = kind in (Kind.DENIED, Kind.ERROR)
    return Line(
        kind=kind,
        user=user if user is None or text.startswith("pam_") else unescape(user, 2 if is_preauth else 1),
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
