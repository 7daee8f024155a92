# SPDX-License-Identifier: Apache-2.0
"""protocol/: messages between client and daemon, in hexadecimal. Old and new versions must understand each other."""

from __future__ import annotations

import struct
from typing import Dict, List, Tuple, Union

from .folder import Folder

_LONGEST = 8192  # bytes of a request without its length
_LONGEST_USER = b"u" * (_LONGEST - len(b"2\0" + b"\0SHA256:x\x0042\0/c\0"))
_TEN_DIGITS = b"4294967295"

Fields = Dict[str, Union[int, str, None]]


def _message(*fields: bytes, more: bytes = b"") -> str:
    text = b"\0".join(fields)
    return (struct.pack(">I", len(text)) + text + more).hex()


def make(folder: Folder) -> None:
    """The cases of the folder."""
    _whole(folder)
    _malformed(folder)
    for name, content in (("empty", b""), ("half-a-length", b"\0\0"), ("half-a-request", b"\0\0\0\x10" + b"2\0root")):
        folder.case(f"request-{name}", "The daemon waits for the rest.", request=content.hex(), result="incomplete")
    _answers(folder)


def _whole(folder: Folder) -> None:
    plain: Fields = {
        "user": "root", "fingerprint": "SHA256:x", "sshd_pid": 42, "config_file": "/c", "uid": None, "milliseconds": 0,
    }  # fmt: skip
    cases: List[Tuple[str, str, Fields]] = [
        ("whole", _message(b"2", b"root", b"SHA256:x", b"42", b"/c", b"0"), {"uid": 0}),
        ("without-a-uid", _message(b"2", b"root", b"SHA256:x", b"42", b"/c", b""), {}),
        ("with-a-uid-of-ten-digits", _message(b"2", b"root", b"SHA256:x", b"42", b"/c", _TEN_DIGITS),
         {"uid": 4294967295}),
        ("with-milliseconds", _message(b"2", b"root", b"SHA256:x", b"42", b"/c", b"1000", b"1500"),
         {"uid": 1000, "milliseconds": 1500}),
        ("with-99999-milliseconds", _message(b"2", b"root", b"SHA256:x", b"42", b"/c", b"", b"99999"),
         {"milliseconds": 99999}),
        ("without-a-fingerprint", _message(b"2", b"root", b"", b"42", b"/c", b""), {"fingerprint": None}),
        ("for-the-packaged-configuration", _message(b"2", b"root", b"SHA256:x", b"42", b"", b""),
         {"config_file": None}),
        ("with-a-pid-of-ten-digits", _message(b"2", b"root", b"SHA256:x", _TEN_DIGITS, b"/c", b""),
         {"sshd_pid": 4294967295}),
        ("with-text-that-is-not-ascii", _message(b"2", "\u00e4\n".encode(), b"SHA256:x", b"42", b"/c", b""),
         {"user": "\u00e4\n"}),
    ]  # fmt: skip
    for name, message, changed in cases:
        folder.case(f"request-{name}", "A request of version 2.", request=message, result={**plain, **changed})
    older: List[Tuple[str, str, Fields]] = [
        ("whole", _message(b"1", b"root", b"SHA256:x", b"42", b"/c"), {}),
        ("with-milliseconds", _message(b"1", b"root", b"SHA256:x", b"42", b"/c", b"1500"), {"milliseconds": 1500}),
    ]
    for name, message, changed in older:
        why = "A client of the release before sends version 1 while a package is upgraded."
        folder.case(f"older-request-{name}", why, request=message, result={**plain, **changed})
    longest = _message(b"2", _LONGEST_USER, b"SHA256:x", b"42", b"/c", b"")
    folder.case(
        "request-of-8192-bytes",
        "The longest request.",
        request=longest,
        result={**plain, "user": _LONGEST_USER.decode()},
    )


def _malformed(folder: Folder) -> None:
    fields = (b"2", b"root", b"SHA256:x", b"42", b"/c", b"1000")
    for name, message in (
        ("of-another-version", _message(b"3", *fields[1:])),
        ("without-a-version", _message(b"", *fields[1:])),
        ("without-a-user", _message(b"2", b"", *fields[2:])),
        ("without-a-pid", _message(b"2", b"root", b"SHA256:x", b"", *fields[4:])),
        ("with-a-negative-pid", _message(b"2", b"root", b"SHA256:x", b"-1", *fields[4:])),
        ("with-a-pid-of-eleven-digits", _message(b"2", b"root", b"SHA256:x", b"1" * 11, *fields[4:])),
        ("with-a-negative-uid", _message(*fields[:5], b"-1")),
        ("with-a-uid-of-eleven-digits", _message(*fields[:5], b"1" * 11)),
        ("of-five-fields", _message(*fields[:5])),
        ("of-eight-fields", _message(*fields, b"1", b"2")),
        ("with-empty-milliseconds", _message(*fields, b"")),
        ("with-100000-milliseconds", _message(*fields, b"100000")),
        ("with-a-byte-behind", _message(*fields, more=b"x")),
        ("of-no-bytes", _message()),
        ("of-8193-bytes", _message(b"2", _LONGEST_USER + b"u", *fields[2:5], b"")),
        ("of-4-gib", b"\xff\xff\xff\xff".hex()),
    ):
        folder.case(f"request-{name}", "Not a request of version 2.", request=message, result="malformed")
    for name, count in (("four", 4), ("seven", 7)):
        message = _message(b"1", *(b"root", b"SHA256:x", b"42", b"/c", b"1", b"2")[: count - 1])
        folder.case(
            f"older-request-of-{name}-fields", "Not a request of version 1.", request=message, result="malformed"
        )


def _answers(folder: Folder) -> None:
    folder.case("declined", "The client decides by itself.", answer=b"N".hex(), declined=True)
    for name, seconds in (("3-seconds", 3.0), ("1-millisecond", 0.001), ("no-time-at-all", 0.0)):
        milliseconds = max(int(seconds * 1000), 1)
        folder.case(f"accepted-for-{name}", "The client waits so long, at least a millisecond.",
                    answer=(b"W" + struct.pack(">I", milliseconds)).hex(), seconds=str(seconds))  # fmt: skip
    lines = ["ssh-ed25519 AAAA", "ssh-rsa BBBB"]
    text = "".join(f"{line}\n" for line in lines).encode()
    for name, chained in (("answer", False), ("answer-with-a-chained-command", True)):
        head = b"C" if chained else b"K"
        answer = (head + struct.pack(">I", len(text)) + text).hex()
        folder.case(name, "The lines that the client prints.", answer=answer, lines=lines, chained=chained)
    folder.case("answer-without-keys", "No key is granted.", answer=(b"K" + b"\0\0\0\0").hex(), lines=[], chained=False)
