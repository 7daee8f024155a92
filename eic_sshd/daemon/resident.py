# SPDX-License-Identifier: Apache-2.0
"""What is warm behind the socket: configuration, memory and an authorizer a thread; and the life of its process."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import stat
import threading
import time
from typing import Callable, Iterator, NamedTuple, Optional

from ..config.loader import load_or_refuse
from ..config.schema import Config
from ..decide import chained_command, dependencies, fallback
from ..decide.authorizer import Authorizer, refuse
from ..decide.cache import Cache
from ..imds.client import ImdsState
from ..log import record, sinks
from ..model.decision import Decision, Request
from ..model.reasons import NotGranted
from ..paths import SOCKET
from . import protocol
from .server import Handler, Service

_BACKLOG = 1024


class CannotServe(Exception):
    """The socket cannot be had; says why and what to do."""


class _State(NamedTuple):
    """All that a reload replaces. `refusal` is why nothing is granted, where the configuration does not read."""

    config: Config
    refusal: Optional[NotGranted]
    cache: Cache
    imds: ImdsState
    authorizers: threading.local


class Resident:
    """Answers by the configuration of `config_file` (None: the packaged one)."""

    def __init__(self, config_file: Optional[str]) -> None:
        self._config_file = config_file
        self._state = self._read(None)
        self._wanted = False

    def idle_exit(self) -> float:
        """Seconds."""
        return self._state.config.service.idle_exit

    def want_reload(self) -> None:
        """Let the next `reload_if_wanted` do it: a signal handler may interrupt anything, itself included."""
        self._wanted = True

    def reload_if_wanted(self) -> None:
        """Read the configuration anew; where it does not read, that is said, and nothing is granted until it does."""
        if not self._wanted:
            return
        self._wanted = False
        self._state = self._read(self._state.cache)
        if self._state.refusal is not None:
            with contextlib.suppress(OSError, ValueError):
                problem = self._state.refusal.detail
                sinks.write_stderr(f"<3>eic-sshd: {problem}. No pushed keys are granted until it is fixed.\n")

    def current_handler(self) -> Handler:
        """What to answer the next request with."""
        if self._state.refusal is not None:
            self._state = self._read(self._state.cache)  # it may be valid by now
        state = self._state
        return Handler(
            lambda request, asked_at: _decide(state, request, asked_at),
            lambda request, asked_at: _remembered(state, request, asked_at),
            state.config.decision_deadline,
            self._config_file,
        )

    def _read(self, memory: Optional[Cache]) -> _State:
        config, refusal = load_or_refuse(self._config_file)
        return _State(config, refusal, Cache(memory), ImdsState(), threading.local())


def _decide(state: _State, request: Request, asked_at: float) -> bytes:
    if state.refusal is not None:
        decision = refuse(request, state.refusal, fallback.configured(state.config))
    else:
        decision = _authorizer(state).decide(request, asked_at)
    return _recorded(state, decision)


def _remembered(state: _State, request: Request, asked_at: float) -> Optional[Callable[[], bytes]]:
    if state.refusal is not None:
        return None
    decision = _authorizer(state).remembered(request, asked_at)
    return None if decision is None else lambda: _recorded(state, decision)


def _authorizer(state: _State) -> Authorizer:
    """This thread's own."""
    if not hasattr(state.authorizers, "own"):
        state.authorizers.own = Authorizer(state.config, dependencies.build(state.config, state.imds), state.cache)
    own: Authorizer = state.authorizers.own
    return own


def _recorded(state: _State, decision: Decision) -> bytes:
    sinks.writer(state.config.log)(record.of(decision))
    return protocol.encode_answer(decision.lines, chained_command.should_run(state.config, decision))


def serve(path: Optional[str], config_file: Optional[str]) -> None:
    """Answer until stopped (SIGTERM, SIGINT) or idle; SIGHUP reads the configuration anew.

    The socket is the one that systemd hands over (sd_listen_fds(3)), or made at `path`. Raises CannotServe.
    """
    resident = Resident(config_file)
    # What workers would otherwise import one beside the other, which Python 3.9.0 to 3.9.2 get wrong.
    import hashlib  # noqa: F401
    import json  # noqa: F401

    # All of the code at once: a package that replaces it on the disk must not leave us with half of the old one.
    threading.Thread(target=dependencies.load_all, daemon=True).start()
    with _listener(path) as listener:
        service = Service(
            listener, resident.current_handler, resident.idle_exit, _Watchdog().ping, resident.reload_if_wanted
        )
        signal.signal(signal.SIGTERM, lambda *_: service.stop())
        signal.signal(signal.SIGINT, lambda *_: service.stop())
        signal.signal(signal.SIGHUP, lambda *_: resident.want_reload())
        _notify("READY=1")
        service.run()
        _notify("STOPPING=1")


class _Watchdog:
    """Tells systemd's watchdog that all is well, about as often as it wants to hear it (sd_watchdog_enabled(3))."""

    def __init__(self) -> None:
        self._every = int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000
        self._next = time.monotonic()

    def ping(self) -> None:
        if self._every and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            _notify("WATCHDOG=1")


def _notify(state: str) -> None:
    """sd_notify(3); without NOTIFY_SOCKET nobody wants to know."""
    if "NOTIFY_SOCKET" in os.environ:
        import systemd.daemon

        systemd.daemon.notify(state)


@contextlib.contextmanager
def _listener(path: Optional[str]) -> Iterator[socket.socket]:
    if "LISTEN_FDS" in os.environ and path is None:
        yield _inherited()
        return
    path = path or SOCKET
    _clear_stale(path)
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotServe(f"{path}: {error.strerror}") from error
    finally:
        os.umask(umask)
    with listener:
        try:
            yield listener
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _inherited() -> socket.socket:
    import systemd.daemon

    descriptors = systemd.daemon.listen_fds()
    if len(descriptors) != 1 or not systemd.daemon.is_socket_unix(descriptors[0], socket.SOCK_STREAM, 1):
        raise CannotServe(
            f"one listening Unix stream socket was to be handed over, there are {len(descriptors)} sockets"
        )
    return socket.socket(fileno=descriptors[0])


def _clear_stale(path: str) -> None:
    """Take away a socket that nobody answers at. Raises CannotServe if somebody does, or it is no socket."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise CannotServe(f"{path} is there and is no socket; name another with --socket")
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotServe(f"{path}: {error.strerror}") from error
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        if probe.connect_ex(path) not in (errno.ECONNREFUSED, errno.ENOENT):
            raise CannotServe(f"an authorizer answers at {path} already")
    os.unlink(path)
