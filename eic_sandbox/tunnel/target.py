# SPDX-License-Identifier: Apache-2.0
"""The connection to the port of an instance."""

from __future__ import annotations

import asyncio
import collections
import os
import socket
from typing import Deque, Optional, cast

_TO_READ = 512 * 1024  # bytes that may wait for `read` before the target is paused
_TO_WRITE = 256 * 1024  # bytes that may wait for the target before `write` has to be followed by `drain`


class CannotConnect(Exception):
    """The target cannot be reached: refused, filtered, no route, or the source address is not this machine's."""


class Target(asyncio.Protocol):
    """An open TCP connection. asyncio's streams would copy every byte that is read twice."""

    def __init__(self) -> None:
        self.connection: asyncio.Transport
        self._chunks: Deque[bytes] = collections.deque()
        self._size = 0
        self._ended = False
        self._error: Optional[Exception] = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the limit of what waits for the target."""
        self.connection = cast(asyncio.Transport, transport)
        self.connection.set_write_buffer_limits(_TO_WRITE)

    def data_received(self, data: bytes) -> None:
        """Keep it for `read`."""
        self._chunks.append(data)
        self._size += len(data)
        self._readable.set()
        if self._size > _TO_READ:
            self.connection.pause_reading()

    def eof_received(self) -> bool:
        """Returns true: what the client sent is still written."""
        self._ended = True
        self._readable.set()
        return True

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """`read` ends, or raises."""
        self._ended, self._error = True, exc
        self._readable.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """`drain` waits."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """`drain` ends."""
        self._writable.set()

    async def read(self) -> bytes:
        """What the target sent, up to 256 KiB; nothing at its end. Raises OSError if it reset the connection."""
        while not self._chunks:
            if self._error is not None:
                raise ConnectionResetError(str(self._error)) from self._error
            if self._ended:
                return b""
            self._readable.clear()
            await self._readable.wait()
        data = self._chunks.popleft()
        if self._size > _TO_READ >= self._size - len(data):
            self.connection.resume_reading()
        self._size -= len(data)
        return data

    @property
    def busy(self) -> bool:
        """Whether `drain` would wait."""
        return not self._writable.is_set()

    async def drain(self) -> None:
        """Wait until the target takes more."""
        await self._writable.wait()

    async def finish(self) -> None:
        """Wait until the target has everything, and tell it that no more follows."""
        self.connection.set_write_buffer_limits(0)
        await self.drain()
        if not self.connection.is_closing():
            self.connection.write_eof()


async def connect(address: str, port: int, *, source: Optional[str] = None, timeout: float) -> Target:
    """A connection to an IP address, from the address `source` if given, within `timeout` seconds.

    Raises CannotConnect.
    """
    local = (source, 0) if source else None
    opening = asyncio.get_running_loop().create_connection(Target, address, port, local_addr=local)
    try:
        transport, target = await asyncio.wait_for(opening, timeout)
    except asyncio.TimeoutError:
        raise CannotConnect(f"{address} port {port}: no answer within {timeout:g} s. Check its firewall.") from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        origin = f" from {source}" if source else ""
        raise CannotConnect(f"{address} port {port}: cannot connect{origin} ({why}). Check its address.") from None
    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return target
