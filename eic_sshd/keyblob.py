# SPDX-License-Identifier: Apache-2.0
"""The blocks of `managed-ssh-keys/active-keys/USER`: one pushed key each, with its signature.

    #Timestamp=1700000060          \\
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
from typing import Dict, List, NamedTuple, Optional

_TIMESTAMP = rb"[0-9]{1,15}"
_KNOWN = (b"Timestamp", b"Instance", b"Caller", b"Request")


class MalformedBlock(ValueError):
    """The block cannot be one signed key."""


class Block(NamedTuple):
    """One pushed key as IMDS gives it, nothing of it verified.

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


def split(blob: bytes) -> List[List[bytes]]:
    """The lines of each block. A `#` line after a key line begins a block, also where the blank line is missing."""
    blocks: List[List[bytes]] = []
    lines: List[bytes] = []
    for line in blob.split(b"\n"):
        begins_anew = line.startswith(b"#") and bool(lines) and not lines[-1].startswith(b"#")
        if lines and (begins_anew or not line.strip()):
            blocks.append(lines)
            lines = []
        if line.strip():
            lines.append(line)
    return [*blocks, lines] if lines else blocks


def parse(lines: List[bytes]) -> Block:
    """Read the lines of one block.

    Raises:
        MalformedBlock: if Timestamp, Instance, key or signature are missing or not what they should be, or if a field
            that a decision rests on stands there twice.
    """
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
        caller=_text(fields[b"Caller"]) if b"Caller" in fields else None,
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
    return raw.decode("utf-8", "backslashreplace")
