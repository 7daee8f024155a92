# SPDX-License-Identifier: Apache-2.0
"""The connection to the port of an instance."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import Optional

_BUFFER = 256 * 1024  # bytes that are read at once; asyncio keeps up to twice as many


class CannotConnect(Exception):
    """The target cannot be reached: refused, filtered, no route, or the source address is not this machine's."""


@dataclass(frozen=True)
class Target:
    """An open TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def abort(self) -> None:
        """Close it at once; what was not sent is lost."""
        self.writer.transport.abort()


async def connect(address: str, port: int, *, source: Optional[str] = None, timeout: float) -> Target:
    """A connection to an IP address, from the address `source` if given, within `timeout` seconds.

    Raises CannotConnect.
    """
    local = (source, 0) if source else None
    opening = asyncio.open_connection(address, port, local_addr=local, limit=_BUFFER)
    try:
        reader, writer = await asyncio.wait_for(opening, timeout)
    except asyncio.TimeoutError:
        raise CannotConnect(f"{address} port {port}: no answer within {timeout:g} s. Check its firewall.") from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        origin = f" from {source}" if source else ""
        raise CannotConnect(f"{address} port {port}: cannot connect{origin} ({why}). Check its address.") from None
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Target(reader, writer)
