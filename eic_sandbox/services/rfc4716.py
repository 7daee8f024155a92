# SPDX-License-Identifier: Apache-2.0
"""Public keys in SSH2's format (RFC 4716), as `ssh-keygen -e` and some Windows programs write them."""

from __future__ import annotations

import base64
import struct
from typing import List

_BEGIN = "---- BEGIN SSH2 PUBLIC KEY ----"
_END = "---- END SSH2 PUBLIC KEY ----"
_LINE_LENGTH = 72  # bytes, section 3.1


class Malformed(ValueError):
    """The text is not a public key in this format."""


def has_format(text: str) -> bool:
    """Whether `text` begins as this format does."""
    return text.startswith(_BEGIN)


def to_openssh(text: str) -> str:
    """The key as OpenSSH writes it, TYPE BASE64, without its headers (section 3). Raises Malformed."""
    lines = text.strip().splitlines()
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise Malformed("the first or the last line is not that of RFC 4716")
    if any(len(line.encode("utf-8", "surrogatepass")) > _LINE_LENGTH for line in lines):
        raise Malformed(f"a line is longer than {_LINE_LENGTH} bytes")
    body = _without_headers(lines[1:-1])
    try:
        blob = base64.b64decode("".join(body), validate=True)
        (length,) = struct.unpack_from(">I", blob)
        key_type = blob[4 : 4 + length].decode("ascii")
    except (ValueError, struct.error) as error:  # of base64 too, for text that is not ASCII
        raise Malformed(f"there is no public key in base64: {error}") from None
    return f"{key_type} {base64.b64encode(blob).decode()}"


def _without_headers(lines: List[str]) -> List[str]:
    """The lines of base64. A header is `Tag: value`; a line that ends in a backslash continues it (section 3.3)."""
    while lines and ":" in lines[0]:
        while lines[0].endswith("\\") and len(lines) > 1:
            lines = lines[1:]
        lines = lines[1:]
    return lines
