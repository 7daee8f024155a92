# SPDX-License-Identifier: Apache-2.0
"""The canonical request of AWS Signature Version 4, for every service but S3.

From the IAM User Guide, "Create a signed AWS API request", and from what botocore signs: the pairs of the query are
sorted as they were sent, the path is normalised and encoded again, the body is hashed.
"""

from __future__ import annotations

import hashlib
import re
from typing import List, Mapping, Sequence
from urllib.parse import quote, unquote

from .signed_request import HttpRequest, Problem, SignatureError, amz_parameters, header_values, raw_pairs, shown

_BODY_HASH = "x-amz-content-sha256"
_HEX_SHA256 = re.compile("[0-9a-f]{64}")


def canonical(request: HttpRequest, signed_headers: Sequence[str]) -> bytes:
    """The canonical request: equal for client and service if the service received what the client signed.

    Raises SignatureError: UNSUPPORTED or MISMATCH, for a body that is not the one declared.
    """
    headers = header_values(request)
    query = "&".join(
        f"{name}={value}"
        for name, value in sorted(raw_pairs(request.query))
        if unquote(name) != "X-Amz-Signature"  # it is in presigned URLs only
    )
    lines = [request.method, quote(_normalised(request.path)), query]
    for name in signed_headers:
        values = (re.sub("[ \t]+", " ", value) for value in headers[name])
        lines.append(f"{name}:{','.join(values)}")
    lines += ["", ";".join(signed_headers), _payload_hash(request, headers)]
    # surrogateescape: the bytes of a header as aiohttp received them.
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _payload_hash(request: HttpRequest, headers: Mapping[str, Sequence[str]]) -> str:
    """The hash of the body that was received. A hash that the client declares must equal it."""
    actual = hashlib.sha256(request.body).hexdigest()
    declared = [value for name, value in amz_parameters(request.query).items() if name.casefold() == _BODY_HASH]
    for value in (*declared, *headers.get(_BODY_HASH, ())):
        if not _HEX_SHA256.fullmatch(value):
            raise SignatureError(Problem.UNSUPPORTED, f"The body must be signed as a whole ({shown(value)}).")
        if value != actual:
            raise SignatureError(Problem.MISMATCH, "X-Amz-Content-SHA256 does not match what was computed.")
    if any("aws-chunked" in value.lower() for value in headers.get("content-encoding", ())):
        raise SignatureError(Problem.UNSUPPORTED, "The body must be signed as a whole (aws-chunked).")
    return actual


def _normalised(path: str) -> str:
    """The path without empty segments, "." and ".." (RFC 3986, section 5.2.4)."""
    kept: List[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")
