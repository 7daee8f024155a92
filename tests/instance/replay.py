# SPDX-License-Identifier: Apache-2.0
"""Opens a tunnel with a presigned URL, whoever signed it: `python -m tests.instance.replay URL CA ADDRESS`.

It prints what the target sends first; or the refusal, with status 255.
"""

from __future__ import annotations

import asyncio
import sys

from testbed.tunnel import TunnelError, connect

_TIMEOUT = 60.0  # seconds


async def _first(url: str, ca: str, address: str) -> str:
    async with connect(url, ca=ca, address=(address, 443)) as tunnel:
        return (await tunnel.receive_bytes(timeout=_TIMEOUT)).decode("ascii", "replace")


if __name__ == "__main__":
    try:
        print(asyncio.run(_first(*sys.argv[1:])))
    except TunnelError as refused:
        print(refused)
        sys.exit(255)
