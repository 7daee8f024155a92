# SPDX-License-Identifier: Apache-2.0
"""Logs in with asyncssh: `python tests/integration/asyncssh_login.py PORT USER KEY COMMAND`, at a port of 127.0.0.1.

It runs in the virtual environment of tests/requirements-clients.txt. Prints what the command prints.
"""

from __future__ import annotations

import asyncio
import sys

import asyncssh

_TIMEOUT = 60.0  # seconds


async def _login(port: str, user: str, key: str, command: str) -> str:
    async with asyncssh.connect(
        "127.0.0.1", int(port), username=user, client_keys=[key], known_hosts=None, config=[], agent_path=None
    ) as connection:
        done = await connection.run(command, check=True)
        return str(done.stdout)


if __name__ == "__main__":
    print(asyncio.run(asyncio.wait_for(_login(*sys.argv[1:]), _TIMEOUT)), end="")
