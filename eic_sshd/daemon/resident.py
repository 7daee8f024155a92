# SPDX-License-Identifier: Apache-2.0
"""The resident daemon: configuration, cache, idle authorizers, process lifecycle."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import stat
import threading
from typing import Callable, Iterator, List, Optional, Tuple

from ..config import loader
from ..config.loader import load_or_refuse
from ..config.schema import Config
from ..decide import chained_command, dependencies, fallback, policy
from ..decide.authorizer import Authorizer, refuse
from ..decide.cache import Cache
from ..host.groups import Groups
from ..imds.client import ImdsState
from ..invocation import Invocation
from ..log import record, sinks
from ..model.decision import Decision
from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from ..paths import OUR_CONFIG, SOCKET
from . import protocol, systemd
from .server import Handler, Service

_BACKLOG = 1024
_BY_GROUPS = frozenset({Reason.USER_GROUPS_UNKNOWN, Reason.SKIP_GROUPS_UNKNOWN, Reason.GROUPS_UNKNOWN})


class CannotServe(Exception):
    """There is no socket to serve on; the message has the reason and the remedy."""


class _State(Value):
    """All that a reload replaces. `refusal` is why nothing is granted, if the configuration is invalid.

    `stamp` is that of the configuration's files; `groups` is the same for all states.
    """

    config: Config
    refusal: Optional[NotGranted]
    cache: Cache
    imds: ImdsState
    idle_authorizers: List[Authorizer]
    stamp: Tuple[object, ...]
    groups: Groups


class Resident:
    """Answers by the configuration of `config_file` (None: the packaged one)."""

    def __init__(self, config_file: Optional[str]) -> None:
        self._config_file = config_file
        self._groups = Groups()
        self._state = self._read(None)
        self._wanted = False

    def idle_exit(self) -> float:
        """Seconds."""
        return self._state.config.service.idle_exit

    def want_reload(self) -> None:
        """Have the next `reload_if_wanted` reload: a signal handler may interrupt anything, itself included."""
        self._wanted = True

    def reload_if_wanted(self) -> None:
        """Read the configuration again. If it is invalid, this is logged, and nothing is granted until it is fixed."""
        if not self._wanted:
            return
        self._wanted = False
        self._reload()

    def _reload(self) -> None:
        """What was granted is forgotten; which blocks have ended is not."""
        self._state = self._read(self._state.cache)
        if self._state.refusal is not None:
            with contextlib.suppress(OSError, ValueError):
                problem = self._state.refusal.detail
                sinks.write_stderr(f"<3>eic-sshd: {problem}. No pushed keys are granted until it is fixed.\n")

    def current_handler(self) -> Handler:
        """What to answer the next request with. A configuration that was changed applies from now on."""
        if loader.stamp(self._config_file or OUR_CONFIG) != self._state.stamp:
            self._reload()
        elif self._state.refusal is not None:
            self._state = self._read(self._state.cache)  # what it names may be there by now
        state = self._state
        return Handler(
            lambda invocation: _decide(state, invocation),
            lambda invocation: _cached(state, invocation),
            state.config.decision_deadline,
            self._config_file,
        )

    def _read(self, before: Optional[Cache]) -> _State:
        stamp = loader.stamp(self._config_file or OUR_CONFIG)
        config, refusal = load_or_refuse(self._config_file)
        return _State(config, refusal, Cache(before), ImdsState(), [], stamp, self._groups)


def _decide(state: _State, invocation: Invocation) -> bytes:
    if state.refusal is not None:
        refusal = policy.first_refusal(invocation.user, state.config.users, state.groups.of, state.refusal)
        decision = refuse(invocation, refusal, fallback.configured(state.config))
    else:
        with _authorizer(state) as authorizer:
            decision = authorizer.decide(invocation)
    if _is_by_groups(decision):
        return protocol.DECLINED  # the client may reach a directory that this sandbox cannot; it records the decision
    return _recorded(state, decision)


def _is_by_groups(decision: Decision) -> bool:
    """Whether it rests on groups that could not be looked up, or is a fallback because of them."""
    return decision.reason in _BY_GROUPS or (
        decision.reason is Reason.FALLBACK_FILE and any(one.reason in _BY_GROUPS for one in decision.verdicts)
    )


def _cached(state: _State, invocation: Invocation) -> Optional[Callable[[], bytes]]:
    if state.refusal is not None:
        return None
    with _authorizer(state) as authorizer:
        decision = authorizer.cached(invocation)
    return None if decision is None else lambda: _recorded(state, decision)


@contextlib.contextmanager
def _authorizer(state: _State) -> Iterator[Authorizer]:
    """One that no other thread uses: the one that was used last, since its connection to IMDS is still open."""
    try:
        own = state.idle_authorizers.pop()
    except IndexError:
        own = Authorizer(state.config, dependencies.build(state.config, state.imds, state.groups), state.cache)
    try:
        yield own
    finally:
        state.idle_authorizers.append(own)


def _recorded(state: _State, decision: Decision) -> bytes:
    sinks.writer(state.config.log)(record.of(decision))
    return protocol.encode_answer(decision.lines, chained_command.should_run(state.config, decision))


def serve(path: Optional[str], config_file: Optional[str]) -> None:
    """Answer until stopped (SIGTERM, SIGINT) or idle; SIGHUP reads the configuration again.

    The socket is the one that systemd hands over (sd_listen_fds(3)), or made at `path`. Raises CannotServe.
    """
    resident = Resident(config_file)
    # Otherwise two workers may import these at the same time, which fails in Python 3.9.0 to 3.9.2.
    import datetime  # noqa: F401
    import hashlib  # noqa: F401
    import json  # noqa: F401

    # Load all of the code now: a package upgrade may replace the files at any time, and old and new must not mix.
    threading.Thread(target=dependencies.load_all, daemon=True).start()
    with _listener(path) as listener:
        service = Service(
            listener, resident.current_handler, resident.idle_exit, systemd.Watchdog().ping, resident.reload_if_wanted
        )
        signal.signal(signal.SIGTERM, lambda *_: service.stop())
        signal.signal(signal.SIGINT, lambda *_: service.stop())
        signal.signal(signal.SIGHUP, lambda *_: resident.want_reload())
        systemd.notify("READY=1")
        service.run()
        systemd.notify("STOPPING=1")


@contextlib.contextmanager
def _listener(path: Optional[str]) -> Iterator[socket.socket]:
    if "LISTEN_FDS" in os.environ and path is None:
        yield _inherited_listener()
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


def _inherited_listener() -> socket.socket:
    listener = systemd.inherited_listener()
    if listener is None:
        raise CannotServe("systemd: expected exactly one listening Unix stream socket (sd_listen_fds(3))")
    return listener


def _clear_stale(path: str) -> None:
    """Remove a socket without a listener. Raises CannotServe if there is a listener, or the file is no socket."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise CannotServe(f"{path}: exists and is not a socket. Name another path with --socket")
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotServe(f"{path}: {error.strerror}") from error
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        if probe.connect_ex(path) not in (errno.ECONNREFUSED, errno.ENOENT):
            raise CannotServe(f"{path}: another daemon listens there. Stop it, or name another path with --socket")
    os.unlink(path)
