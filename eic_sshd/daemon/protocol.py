# SPDX-License-Identifier: Apache-2.0
"""What the front door and the authorizer say to each other over their socket, each once.

    front door -> authorizer      length (4 bytes) | version NUL user NUL fingerprint NUL sshd pid NUL config file
                                  [NUL milliseconds that have passed since sshd asked, where it asks again]
    authorizer -> front door      "N"                                decide by yourself: nothing more comes
    authorizer -> front door      "W" | milliseconds (4 bytes)       taken: wait for no longer than this
    authorizer -> front door      "K" | length (4 bytes) | lines     the answer, then the end of the stream
                               or "C" | length (4 bytes) | lines     the same, and the chained command is to be run

Numbers are unsigned and big-endian; text is in the file system's encoding, as arguments are. A stream that ends
before the whole answer is an authorizer that ended: the front door asks again. It writes its half of this by itself
(client.py), since importing this module would cost it time at each login.
"""

from __future__ import annotations

import os
import struct
from typing import List, NamedTuple, Optional

from ..model.decision import Request

VERSION = b"1"
# An OS user name, a fingerprint, a pid and a path; longer is nothing that sshd sends.
LONGEST_REQUEST = 8192
DECLINED = b"N"
_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">cI")


class MalformedRequest(ValueError):
    """What the peer said is no request of this version."""


class Question(NamedTuple):
    """A request, and the configuration file that the front door was told to use (None: the packaged one).

    `waited` is how many seconds ago sshd asked.
    """

    request: Request
    config_file: Optional[str]
    waited: float = 0.0


def complete(data: bytes) -> bool:
    """Whether `data` holds a whole request. Raises MalformedRequest where it never will."""
    if len(data) < _LENGTH.size:
        return False
    (length,) = _LENGTH.unpack_from(data)
    if length > LONGEST_REQUEST or len(data) > _LENGTH.size + length:
        raise MalformedRequest("longer than a request is")
    return bool(len(data) == _LENGTH.size + length)


def parse_request(data: bytes) -> Question:
    """Read a whole request. Raises MalformedRequest."""
    fields = data[_LENGTH.size :].split(b"\0")
    if len(fields) not in (5, 6) or fields[0] != VERSION:
        raise MalformedRequest("not a request of this version")
    user, fingerprint, pid, config_file = fields[1:5]
    if not user or not (pid.isdigit() and len(pid) <= 10):
        raise MalformedRequest("no user or no pid")
    waited = fields[5] if len(fields) == 6 else b"0"
    if not (waited.isdigit() and len(waited) <= 5):
        raise MalformedRequest("no number of milliseconds")
    request = Request(os.fsdecode(user), os.fsdecode(fingerprint) or None, int(pid))
    return Question(request, os.fsdecode(config_file) or None, int(waited) / 1000)


def encode_accepted(seconds: float) -> bytes:
    """That the request was taken, and how long the front door should wait for the answer."""
    return _HEAD.pack(b"W", max(int(seconds * 1000), 1))


def encode_answer(lines: List[str], chained: bool = False) -> bytes:
    """The whole answer; `chained` has the front door run the chained command after it."""
    text = "".join(f"{line}\n" for line in lines).encode()
    return _HEAD.pack(b"C" if chained else b"K", len(text)) + text
