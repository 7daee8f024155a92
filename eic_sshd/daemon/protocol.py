# SPDX-License-Identifier: Apache-2.0
"""The protocol between client and daemon. A connection carries one request and its answer.

    client -> daemon      length (4 bytes) | version NUL user NUL fingerprint NUL sshd pid NUL config file NUL uid
                          [NUL milliseconds since sshd asked, where these are many]
    daemon -> client      "N"                                declined: the client decides; nothing more comes
    daemon -> client      "W" | milliseconds (4 bytes)       accepted: the client waits no longer than this
    daemon -> client      "K" | length (4 bytes) | lines     the answer, then the end of the stream
                       or "C" | length (4 bytes) | lines     the same, and the client runs the chained command
                       or "N"                                declined after all: the client decides

Numbers are unsigned and big-endian; text is in the file system's encoding, as arguments are. When the stream ends
before the whole answer, the daemon has ended: the client asks again. client.py has the client's half of this, since
to import this module would cost time at each login.

The uid is empty where sshd did not pass it. Version 1, which a client of the release before sends while a package is
upgraded, has no uid.
"""

from __future__ import annotations

import os
import struct
from typing import List

from ..invocation import Invocation

VERSION = b"2"
_WITHOUT_UID = b"1"
# An OS user name, a fingerprint, a pid and a path; longer is nothing that sshd sends.
LONGEST_REQUEST = 8192
DECLINED = b"N"
_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">cI")


class MalformedRequest(ValueError):
    """The peer's bytes are not a request of this version."""


def complete(data: bytes) -> bool:
    """Whether `data` holds a whole request. Raises MalformedRequest where it never will."""
    if len(data) < _LENGTH.size:
        return False
    (length,) = _LENGTH.unpack_from(data)
    if length > LONGEST_REQUEST or len(data) > _LENGTH.size + length:
        raise MalformedRequest("longer than a request is")
    return bool(len(data) == _LENGTH.size + length)


def parse_request(data: bytes, received_at: float) -> Invocation:
    """Read a whole request, which came at `received_at` (seconds of time.monotonic). Raises MalformedRequest."""
    fields = data[_LENGTH.size :].split(b"\0")
    if fields[0] == _WITHOUT_UID and len(fields) in (5, 6):
        fields.insert(5, b"")
    elif fields[0] != VERSION or len(fields) not in (6, 7):
        raise MalformedRequest("not a request of this version")
    user, fingerprint, pid, config_file, uid = fields[1:6]
    if not user or not (pid.isdigit() and len(pid) <= 10):
        raise MalformedRequest("no user or no pid")
    if uid and not (uid.isdigit() and len(uid) <= 10):
        raise MalformedRequest("no uid")
    waited = fields[6] if len(fields) == 7 else b"0"
    if not (waited.isdigit() and len(waited) <= 5):
        raise MalformedRequest("no number of milliseconds")
    return Invocation(
        os.fsdecode(user),
        os.fsdecode(fingerprint) or None,
        int(pid),
        begun=received_at - int(waited) / 1000,
        config_file=os.fsdecode(config_file) or None,
        tokens={"U": uid.decode()} if uid else None,
    )


def encode_accepted(seconds: float) -> bytes:
    """That the request is accepted, and for how many seconds the client should wait for the answer."""
    return _HEAD.pack(b"W", max(round(seconds * 1000), 1))


def encode_answer(lines: List[str], chained: bool = False) -> bytes:
    """The whole answer; with `chained` the client runs the chained command after it."""
    text = "".join(f"{line}\n" for line in lines).encode()
    return _HEAD.pack(b"C" if chained else b"K", len(text)) + text
