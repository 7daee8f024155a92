# SPDX-License-Identifier: Apache-2.0
r"""The blocks of `managed-ssh-keys/active-keys/USER`: one pushed key each, with its signature.

A block's layout:

    #Timestamp=1700000060          \
    #Instance=i-0123456789abcdef0   | the signed bytes: these lines, each ended by one newline
    #Caller=arn:aws:sts::...        |
    ssh-ed25519 AAAA... comment    /
    <base64, one line or several>    the signature
                                     a blank line, or the end
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Callable, Dict, Iterator, List, Optional

from .value import Value

_TIMESTAMP = rb"[0-9]{1,15}"
_KNOWN = (b"Timestamp", b"Instance", b"Caller", b"Request")
# Bytes of one block. SendSSHPublicKey takes keys of at most 4096 characters; the rest of a block is shorter than that.
_MAX_BLOCK_BYTES = 16 * 1024
# Lines of one block: fields, the key, and a signature that may be wrapped.
_MAX_LINES = 128
# Bytes of a field's value: an ARN has at most 2048 characters.
_MAX_FIELD_BYTES = 2048

# Compiled where they are used (`re` keeps them): most logins without the daemon need none of them.
_VISIBLE = rb"\S"
_BLANK_LINE = rb"\n[ \t\r\f\v]*\n"
# One block: its `#` lines, then its other lines up to a blank one. Both parts may be empty: it matches anywhere.
_BLOCK = rb"(?P<fields>(?:#[^\n]*(?:\n|\Z))*)(?P<rest>(?:(?!#)[^\n]*\S[^\n]*(?:\n|\Z))*)"
# A line that may be a key: `TYPE BASE64 [COMMENT]`.
_KEY_LINE = rb"(?m)^(?!#)[!-+\--~]{1,64}[ \t]+(?P<key>[A-Za-z0-9+/]{24,}={0,2})(?=\s|\Z)"


class MalformedBlock(ValueError):
    """The block cannot be one signed key."""


class Block(Value):
    """One pushed key as IMDS gives it, not verified.

    In `caller`, a byte that is not ASCII is a surrogate (PEP 383), so that no pattern of callers takes it for text.
    `timestamp` is when the key stops being valid, in seconds since the epoch; `signed` the exact bytes under the
    signature; `key_line` the key as it was written.
    """

    timestamp: int
    instance: str
    caller: Optional[str]
    request_id: Optional[str]
    key_line: bytes
    signed: bytes
    signature: bytes


def split(blob: bytes) -> Iterator[bytes]:
    """The bytes of each block. A `#` line after a key line begins a block, also where the blank line is missing."""
    at = 0
    while True:
        visible = re.compile(_VISIBLE).search(blob, at)
        if visible is None:
            return
        block = _block_at(blob, blob.rfind(b"\n", 0, visible.start()) + 1)
        yield block.group()
        at = block.end()
        if at - block.start() > _MAX_BLOCK_BYTES:
            blank = re.compile(_BLANK_LINE).search(blob, at)
            at = blank.end() if blank else len(blob)  # what is left of it is no block of its own


def carrying(blob: bytes, is_wanted: Callable[[bytes], bool]) -> Iterator[bytes]:
    """The bytes of each block whose key (as its type's bytes, RFC 4253 section 6.6) `is_wanted` for.

    All others cost a search and a hash, however many there are: IMDS may list the keys of many callers.
    """
    for line in re.finditer(_KEY_LINE, blob):
        if not is_wanted(_decoded(line.group("key"))):
            continue
        start = _first_field(blob, line.start())
        if start == line.start():
            continue  # it has no fields: it is where a signature should be
        block = _block_at(blob, start)
        if block.end("fields") == line.start():
            yield block.group()


def _block_at(blob: bytes, start: int) -> re.Match[bytes]:
    """What begins at `start`: of a block that is too long, one byte more than one may have."""
    block = re.compile(_BLOCK).match(blob, start, start + _MAX_BLOCK_BYTES + 1)
    if block is None:  # it matches the empty string
        raise MalformedBlock("no block begins here")
    return block


def _first_field(blob: bytes, key_line: int) -> int:
    """Where the `#` lines before the line at `key_line` begin; `key_line` itself where there are none."""
    start = key_line
    while start > 0 and key_line - start <= _MAX_BLOCK_BYTES:
        above = blob.rfind(b"\n", 0, start - 1) + 1
        if not blob.startswith(b"#", above):
            break
        start = above
    return start


def _decoded(key: bytes) -> bytes:
    try:
        return binascii.a2b_base64(key)
    except binascii.Error:
        return b""  # the padding is missing: it is no key


def parse(block: bytes) -> Block:
    """Read the bytes of one block.

    Raises:
        MalformedBlock: if it is too long or has too many lines, if Timestamp, Instance, key or signature are missing or
            not what they should be, or if a field that a decision rests on is there twice.
    """
    if len(block) > _MAX_BLOCK_BYTES:
        raise MalformedBlock(f"the block is longer than {_MAX_BLOCK_BYTES} bytes")
    if block.count(b"\n") > _MAX_LINES:
        raise MalformedBlock(f"the block has more than {_MAX_LINES} lines")
    lines = block[:-1].split(b"\n") if block.endswith(b"\n") else block.split(b"\n")
    count = next((at for at, line in enumerate(lines) if not line.startswith(b"#")), len(lines))
    fields = _fields(lines[:count])
    if count == len(lines):
        raise MalformedBlock("the block has no key")
    timestamp = fields.get(b"Timestamp", b"")
    if not re.fullmatch(_TIMESTAMP, timestamp):
        raise MalformedBlock("the block's Timestamp is missing or not a number of seconds")
    if not fields.get(b"Instance"):
        raise MalformedBlock("the block names no Instance")
    return Block(
        timestamp=int(timestamp),
        instance=_text(fields[b"Instance"]),
        caller=fields[b"Caller"].decode("ascii", "surrogateescape") if b"Caller" in fields else None,
        request_id=_text(fields[b"Request"]) if b"Request" in fields else None,
        key_line=lines[count],
        signed=b"".join(line + b"\n" for line in lines[: count + 1]),
        signature=_signature(lines[count + 1 :]),
    )


def _fields(lines: List[bytes]) -> Dict[bytes, bytes]:
    fields: Dict[bytes, bytes] = {}
    for line in lines:
        name, equals, value = line[1:].partition(b"=")
        if equals and name in _KNOWN:
            if name in fields:
                raise MalformedBlock(f"the block has {_text(name)} twice")
            if len(value) > _MAX_FIELD_BYTES:
                raise MalformedBlock(f"the block's {_text(name)} is longer than {_MAX_FIELD_BYTES} bytes")
            fields[name] = value
    return fields


def _signature(lines: List[bytes]) -> bytes:
    try:
        signature = base64.b64decode(b"".join(line.strip() for line in lines), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedBlock("the block's signature is not base64") from None
    if not signature:
        raise MalformedBlock("the block has no signature")
    return signature


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")  # an ARN is ASCII; what is not takes little memory so
