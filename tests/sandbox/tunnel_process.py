# SPDX-License-Identifier: Apache-2.0
"""The testbed's client for tunnels as a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import AsyncIterator, Dict, List, Tuple

from .tunnel_server import CREDENTIALS, LIMIT, NAME, REGION, Handler, serving


def command(port: int, *options: str) -> List[str]:
    return [
        sys.executable, "-m", "testbed.tunnel_client", "--url", f"ws://{NAME}:{port}",
        "--connect", f"127.0.0.1:{port}", "--endpoint-id", "eice-0123456789abcdef0", "--address", "10.0.1.5",
        "--region", REGION, *options,
    ]  # fmt: skip


def environment() -> Dict[str, str]:
    key, secret, token = CREDENTIALS.access_key, CREDENTIALS.secret_key, CREDENTIALS.token
    return {**os.environ, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


@contextlib.asynccontextmanager
async def client(
    port: int, *options: str, stdin: int = asyncio.subprocess.PIPE
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The client as a process; it must end by itself after the block."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command(port, *options), stdin=stdin, stdout=pipe, stderr=pipe, env=environment()
    )
    try:
        yield process
        await asyncio.wait_for(process.wait(), LIMIT)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def result(port: int, *options: str) -> Tuple[int, str]:
    """The exit status and the errors of a client whose standard input stays open."""
    async with client(port, *options) as process:
        assert process.stderr is not None
        errors = await asyncio.wait_for(process.stderr.read(), LIMIT)
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def result_with(handler: Handler, *options: str) -> Tuple[int, str]:
    async with serving(handler) as port:
        return await result(port, *options)
