# SPDX-License-Identifier: Apache-2.0
"""Names of users, as sshd, PAM and eic-sshd write them."""

from __future__ import annotations

import re
from typing import Callable, Optional

UidOf = Callable[[str], Optional[int]]
"""The uid of the account with this name or alias; None if there is none."""

_ESCAPE = re.compile(rb"\\(\\|[0-7]{3}|[abfnrstv0])")
_LETTERS = dict(zip(b"abfnrstv0\\", b"\a\b\f\n\r \t\v\0\\"))


def unescape(text: str, times: int) -> str:
    """The text that sshd's log.c escaped by strnvis() of vis(3).

    It is done once, and once more with what the unprivileged process sent to the monitor process: ` [preauth]`.
    """
    if "\\" not in text:
        return text
    raw = text.encode("utf-8", "backslashreplace")
    for _ in range(times):
        raw = _ESCAPE.sub(_character, raw)
    return raw.decode("utf-8", "backslashreplace")


def _character(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    return bytes([int(code, 8) & 0xFF if len(code) == 3 else _LETTERS[code[0]]])


def are_of_one_account(one: str, other: str, uid_of: UidOf) -> Optional[bool]:
    """Whether both name the same account; None if that is unknown, because one of them is no account now."""
    if one == other:
        return True
    uids = (uid_of(one), uid_of(other))
    return None if None in uids else uids[0] == uids[1]
