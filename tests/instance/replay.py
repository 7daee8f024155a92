# SPDX-License-Identifier: Apache-2.0
"""Opens tunnels with presigned URLs of any signer: `python -m tests.instance.replay CA ADDRESS URL...`.

It prints a line for each: what the target sends first, or the refusal.
"""

from __future__ import annotations

import asyncio
import sys

from testbed.tunnel import TunnelError, connect

_TIMEOUT = 60.0  # seconds


async def _replay(ca: str, address: str, *urls: str) -> None:
    for url in urls:
        try:
            async with connect(url, ca=ca, address=(address, 443)) as tunnel:
                print((await tunnel.receive_bytes(timeout=_TIMEOUT)).decode("ascii", "replace").strip())
        except TunnelError as refused:
            print(refused)


if __name__ == "__main__":
    asyncio.run(_replay(*sys.argv[1:]))
