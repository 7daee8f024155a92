# SPDX-License-Identifier: Apache-2.0
"""Answers the clients on the socket.

One thread handles the connections and waits for nothing else; a bounded pool of threads decides. A peer that sends
nothing, half a request or too much loses its own connection, and delays no other. The kernel names the peer's user.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Container, Dict, Iterator, List, Optional, Tuple

from ..invocation import Invocation
from ..model.value import Value
from . import connection, protocol
from .connection import PendingConnection

Answer = Callable[[], bytes]
"""Records a decision and gives protocol.encode_answer; raises nothing."""

# Threads that may wait for IMDS at one time. They are started as they are needed, and cost little when idle.
WORKERS = 32
# Threads for cached answers, which wait for their record only, and not behind those that wait for IMDS.
_QUICK_WORKERS = 4
# Seconds that a thread may compute before another gets its turn. It is short: the thread that handles the connections
# gives its turn away at each system call, and those that decide would starve it.
_SWITCH_INTERVAL = 0.0005
# Connections without a whole request yet, unless that would be more than half of the descriptors that this process may
# have: a decision needs some for IMDS, openssl and the log. Beyond it the oldest is closed.
_MAX_PENDING = 512
# Seconds for a peer to send its request, and to read its answer; a client does either at once.
_PEER_TIMEOUT = 2.0
# Seconds beyond a decision's deadline that a client should wait.
_ANSWER_MARGIN = 0.25


class Handler(Value):
    """What the service answers with: `deadline` in seconds, `config_file` as the clients name it.

    `decide` gives the answer and may take as long as a decision may; `cached` waits for nothing, and gives None where
    the answer is not cached.
    """

    decide: Callable[[Invocation], bytes]
    cached: Callable[[Invocation], Optional[Answer]]
    deadline: float
    config_file: Optional[str]


class Service:
    """Answers on `listener` until it is stopped or has been idle for `idle()` seconds (0: for ever).

    `handler` gives what to answer with; it is called for each request, so that a reload applies from the next one on.
    `watchdog_ping` is called regularly while no decision hangs, `after_poll` after each poll. Processes of `peer_uids`
    are answered, by default those of `connection.allowed_peer_uids`.
    """

    def __init__(
        self,
        listener: socket.socket,
        handler: Callable[[], Handler],
        idle: Callable[[], float],
        watchdog_ping: Callable[[], None] = lambda: None,
        after_poll: Callable[[], None] = lambda: None,
        peer_uids: Optional[Container[int]] = None,
    ) -> None:
        self._listener = listener
        self._handler = handler
        self._idle = idle
        self._watchdog_ping = watchdog_ping
        self._after_poll = after_poll
        self._selector = selectors.DefaultSelector()
        self._pending: Dict[int, PendingConnection] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="worker")
        self._quick_pool = ThreadPoolExecutor(_QUICK_WORKERS, thread_name_prefix="cached")
        self._under_way: Dict[int, float] = {}
        self._accepted: List[Tuple[ThreadPoolExecutor, Answer, socket.socket]] = []
        self._wake_in, self._wake_out = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._stopping = False
        self._last_request = time.monotonic()
        self._allowed_uids = connection.allowed_peer_uids(listener) if peer_uids is None else peer_uids

    def stop(self) -> None:
        """Accept no more requests, finish those under way, return from `run`. A signal handler may call it."""
        self._stopping = True

    def run(self) -> None:
        """Answer until stopped or idle."""
        sys.setswitchinterval(_SWITCH_INTERVAL)
        for pool in (self._pool, self._quick_pool):
            pool.submit(int).result()  # so that there is one worker, whatever happens
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        with self._waking_on_signals():
            while not self._stopping and not self._is_idle():
                self._poll_once()
        self._listener.close()
        for pending in list(self._pending.values()):
            self._drop(pending)
        self._pool.shutdown(wait=True)
        self._quick_pool.shutdown(wait=True)
        self._selector.close()

    def _poll_once(self) -> None:
        for key, _ in self._selector.select(timeout=0.5 if self._pending else 1.0):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fd == self._wake_in:
                os.read(self._wake_in, 4096)
            elif key.fd in self._pending:
                self._read_more(self._pending[key.fd])
        self._after_poll()
        now = time.monotonic()
        for pending in [one for one in self._pending.values() if now - one.since > _PEER_TIMEOUT]:
            self._drop(pending)
        if not any(now > latest for latest in list(self._under_way.values())):
            self._watchdog_ping()
        self._start_accepted()

    def _is_idle(self) -> bool:
        idle = self._idle()
        if idle <= 0 or self._under_way or self._pending:
            return False
        return time.monotonic() - self._last_request > idle

    @contextlib.contextmanager
    def _waking_on_signals(self) -> Iterator[None]:
        """A signal ends the wait at once, so that what its handler set takes effect."""
        before = signal.set_wakeup_fd(self._wake_out, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)

    def _accept(self) -> None:
        for _ in range(_MAX_PENDING):
            try:
                peer, _address = self._listener.accept()
            except BlockingIOError:
                return  # no further client waits
            except OSError:
                self._make_room()
                return
            peer.setblocking(False)
            if connection.peer_uid(peer) not in self._allowed_uids:
                connection.decline(peer)
                peer.close()
                continue
            self._begin(PendingConnection(peer, bytearray(), time.monotonic()))

    def _begin(self, pending: PendingConnection) -> None:
        """Dispatch the request if it is there already, as is usual; otherwise wait for the rest of it."""
        try:
            invocation = connection.read_request(pending)
        except (OSError, protocol.MalformedRequest):
            pending.peer.close()
            return
        if invocation is not None:
            self._dispatch(pending, invocation)
            return
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if len(self._pending) >= min(_MAX_PENDING, descriptors // 2):
            self._make_room()
        self._pending[pending.peer.fileno()] = pending
        self._selector.register(pending.peer, selectors.EVENT_READ)

    def _make_room(self) -> None:
        """No descriptor is left, or no place for a connection without a request: the oldest of these is closed."""
        if self._pending:
            self._drop(next(iter(self._pending.values())))
        else:
            time.sleep(0.01)  # those under way will free some; until then select would only spin

    def _read_more(self, pending: PendingConnection) -> None:
        try:
            invocation = connection.read_request(pending)
        except (OSError, protocol.MalformedRequest):
            self._drop(pending)
            return
        if invocation is not None:
            self._unregister(pending)  # before another thread may close it
            self._dispatch(pending, invocation)

    def _dispatch(self, pending: PendingConnection, invocation: Invocation) -> None:
        handler, peer = self._handler(), pending.peer
        if invocation.config_file != handler.config_file:
            connection.decline(peer)  # the client decides by the configuration of its arguments
            peer.close()
            return
        ends = invocation.begun + handler.deadline
        try:
            peer.send(protocol.encode_accepted(ends + _ANSWER_MARGIN - pending.since))
        except OSError:  # the client has ended
            peer.close()
            return
        self._last_request = time.monotonic()
        # A decision that is under way for much longer hangs in something without a time limit.
        self._under_way[peer.fileno()] = ends + 10
        cached = handler.cached(invocation)
        if cached is not None:
            self._accepted.append((self._quick_pool, cached, peer))
        else:
            self._accepted.append((self._pool, lambda: handler.decide(invocation), peer))

    def _start_accepted(self) -> None:
        """Have the workers begin. This thread waits next: otherwise it and they would take the interpreter in turns."""
        accepted, self._accepted = self._accepted, []
        for pool, answer, peer in accepted:
            with contextlib.suppress(RuntimeError):  # no further thread can be started: one of those that run takes it
                pool.submit(self._answer, answer, peer)

    def _answer(self, answer: Answer, peer: socket.socket) -> None:
        descriptor = peer.fileno()
        with peer:
            try:
                whole = answer()
                peer.settimeout(_PEER_TIMEOUT)
                peer.sendall(whole)
            except OSError:
                pass  # the client has ended; the decision is recorded
            finally:
                self._under_way.pop(descriptor, None)
                self._last_request = time.monotonic()

    def _unregister(self, pending: PendingConnection) -> None:
        self._selector.unregister(pending.peer)
        del self._pending[pending.peer.fileno()]

    def _drop(self, pending: PendingConnection) -> None:
        self._unregister(pending)
        pending.peer.close()
