# SPDX-License-Identifier: Apache-2.0
"""The WebSocket of a tunnel: aiohttp's, with an end that a client cannot delay, and that takes nothing from it.

aiohttp's own close() waits without limit for a client that reads nothing. In 3.8 it waits for one message only, not for
the client's Close. 3.9 to 3.13 collect a frame before they compare its length with the limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Coroutine, Optional, cast

from aiohttp import WSMessage, web

MAX_MESSAGE = 1024 * 1024  # bytes; the AWS CLI sends up to 65,000 in a message
GRACE = 1.0  # seconds for which a peer may take its last bytes, and close
_MAX_UNREAD = 4 * MAX_MESSAGE  # bytes of a client without a whole message; aiohttp itself pauses a client long before
LINGER = 30.0  # seconds for which a client may take what its target sent before it closed
# A connection that is closed, or closing. aiohttp before 3.11 raises RuntimeError, Python before 3.11 AttributeError.
GONE = (OSError, RuntimeError, AttributeError)


async def within(seconds: float, waiting: Coroutine[Any, Any, object]) -> None:
    """Wait for something of a connection for up to `seconds`; that it is lost is an end too."""
    with contextlib.suppress(asyncio.TimeoutError, OSError):
        await asyncio.wait_for(waiting, max(seconds, 0))


async def uninterrupted(sending: Coroutine[Any, Any, object]) -> None:
    """Wait for `sending`; a caller that is cancelled leaves it to go on until the connection is closed.

    In aiohttp all senders of a connection wait for one future: who is cancelled there cancels all, the Close included.
    """
    task = asyncio.ensure_future(sending)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(task)


class WebSocket(web.WebSocketResponse):
    """A WebSocket whose messages and Close are bounded. `bound` must be called once it is open."""

    _client: Optional[_Client] = None

    def bound(self, connection: asyncio.Transport) -> None:
        """Abort `connection`, which is the one below, when the client sends too much that is no whole message."""
        with contextlib.suppress(*GONE):
            aiohttps = cast(asyncio.Protocol, connection.get_protocol())
            if getattr(aiohttps, "transport", None) is not None:  # aiohttp's protocol has not seen the end
                self._client = _Client(aiohttps, connection)
                connection.set_protocol(self._client)

    async def receive(self, timeout: Optional[float] = None) -> WSMessage:
        """The next message of the client."""
        message = await super().receive(timeout)
        if self._client is not None:
            self._client.unread = 0
        return message

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        """Send a Close and wait up to GRACE for the client's. Does nothing if it was called before."""
        del drain  # of aiohttp since 3.11
        await within(GRACE, uninterrupted(super().close(code=code, message=message)))
        return True

    async def close_and_wait(self, connection: asyncio.Transport, code: int, reason: str, seconds: float) -> None:
        """Send a Close after everything else, and wait up to `seconds` until the client has it, and closed too.

        `connection` is the one below. Once it takes the Close, the client has LINGER at most.
        """
        until = time.monotonic() + seconds
        aiohttps = self._client.aiohttps if self._client else cast(asyncio.Protocol, connection.get_protocol())
        await within(seconds, uninterrupted(super().close(code=code, message=reason.encode())))
        await within(min(until - time.monotonic(), LINGER), _discard(connection, aiohttps))


def new_websocket() -> WebSocket:
    """A WebSocket for `relay`: without compression, which costs more than it saves for what ssh has encrypted."""
    # aiohttp refuses a message of max_msg_size. PINGs are the relay's to answer.
    return WebSocket(compress=False, max_msg_size=MAX_MESSAGE + 1, timeout=LINGER, autoping=False)


async def _discard(connection: asyncio.Transport, aiohttps: asyncio.Protocol) -> None:
    """Discard what the client still sends, until it closes.

    If it were not read, the kernel would reset the connection, and the client would lose what it has not read yet.
    """
    if getattr(aiohttps, "transport", None) is None:
        return  # aiohttp's protocol has seen the end
    discarding = _Discarding(aiohttps)
    with contextlib.suppress(*GONE):
        connection.set_protocol(discarding)
        connection.resume_reading()
        await discarding.lost.wait()


class _Replacement(asyncio.Protocol):
    """Takes the place of aiohttp's protocol, and passes on to it all but data."""

    def __init__(self, aiohttps: asyncio.Protocol) -> None:
        self.aiohttps = aiohttps

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self.aiohttps.connection_lost(exc)

    def pause_writing(self) -> None:
        self.aiohttps.pause_writing()

    def resume_writing(self) -> None:
        self.aiohttps.resume_writing()


class _Client(_Replacement):
    """Passes data on too, until there is too much without a whole message; `unread` counts its bytes."""

    def __init__(self, aiohttps: asyncio.Protocol, connection: asyncio.Transport) -> None:
        super().__init__(aiohttps)
        self.unread = 0
        self._connection = connection

    def data_received(self, data: bytes) -> None:
        self.unread += len(data)
        if self.unread > _MAX_UNREAD:
            self._connection.abort()
        else:
            self.aiohttps.data_received(data)

    def eof_received(self) -> Optional[bool]:
        return self.aiohttps.eof_received()


class _Discarding(_Replacement):
    def __init__(self, aiohttps: asyncio.Protocol) -> None:
        super().__init__(aiohttps)
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        super().connection_lost(exc)
        self.lost.set()
