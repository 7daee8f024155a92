# SPDX-License-Identifier: Apache-2.0
"""Which groups a user is in, by the machine's databases (nsswitch.conf(5)), which may be behind the network.

The C library's lookup has no time limit and cannot be interrupted, so a process of its own makes it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Callable, Dict, Optional, Sequence, Tuple

from ..model.deadline import Clock
from ..model.os_users import Memberships

_TIMEOUT = 0.5  # seconds for a lookup, the wait for its turn included
_LIFETIME = 60.0  # seconds for which its result serves
# Seconds for which one without all groups serves, and in which no group of a user is looked up after a lookup for this
# user took too long: one decision may need many groups, and does not wait for each of them.
_FAILURE_LIFETIME = 1.0
_MAX_UNDER_WAY = 4
_MAX_RESULTS = 1024
_TOO_SLOW = ()  # in place of groups: a lookup for the user took too long
# Prints a character for each group: 1 if the user is in it, 0 if not, ? if there is no such group.
_PROGRAM = """
import grp, os, pwd, sys
entry = pwd.getpwnam(sys.argv[1])
own = set(os.getgrouplist(entry.pw_name, entry.pw_gid))
def member(name):
    try:
        return "01"[grp.getgrnam(name).gr_gid in own]
    except KeyError:
        return "?"
print("".join(map(member, sys.argv[2:])))
"""

Ask = Callable[[str, Sequence[str], float], str]
"""Gives what the program prints for a user and groups, within some seconds; raises OSError."""


def ask_in_a_process(user: str, groups: Sequence[str], seconds: float) -> str:
    """What a process prints that ends after `seconds`. Raises OSError."""
    import subprocess  # late: it is slow to load, and most sites list no groups

    command = [sys.executable or "/usr/bin/python3", "-IS", "-c", _PROGRAM, user, *groups]
    try:
        done = subprocess.run(
            [os.fsencode(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={}, timeout=seconds, check=True,
        )  # fmt: skip
    except (ValueError, subprocess.SubprocessError) as error:  # a name with a null character; a time-out, a failure
        raise OSError(str(error)) from error
    return done.stdout.decode("ascii", "replace").rstrip("\n")


class Groups:
    """Looks up memberships, and keeps the results for a minute. Several threads may use it."""

    def __init__(self, ask: Ask = ask_in_a_process, monotonic: Clock = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._turns = threading.BoundedSemaphore(_MAX_UNDER_WAY)
        self._lock = threading.Lock()
        self._results: Dict[Tuple[str, Tuple[str, ...]], Tuple[Memberships, float]] = {}

    def cached(self, user: str, groups: Sequence[str]) -> Memberships:
        """What is known already; all of `groups` are unknown otherwise. It waits for nothing."""
        return self._stored(user, groups) or Memberships(unknown=frozenset(groups))

    def of(self, user: str, groups: Sequence[str]) -> Memberships:
        """Which of `groups` the user is in, and which could not be looked up within half a second."""
        found = self._stored(user, groups)
        if found is None:
            found = self._looked_up(user, groups)
            self._store(user, groups, found)
        return found

    def _stored(self, user: str, groups: Sequence[str]) -> Optional[Memberships]:
        found, until = self._results.get((user, tuple(groups)), (None, 0.0))
        return found if found is not None and self._monotonic() < until else None

    def _looked_up(self, user: str, groups: Sequence[str]) -> Memberships:
        printed = "" if self._stored(user, _TOO_SLOW) else self._asked(user, groups)
        if len(printed) != len(groups):
            printed = "?" * len(groups)
        return Memberships(
            frozenset(group for group, answer in zip(groups, printed) if answer == "1"),
            frozenset(group for group, answer in zip(groups, printed) if answer not in "01"),
        )

    def _asked(self, user: str, groups: Sequence[str]) -> str:
        """What the program prints; empty where that fails or takes too long."""
        begun = self._monotonic()
        printed = ""
        if self._turns.acquire(timeout=_TIMEOUT):
            try:
                printed = self._ask(user, groups, max(begun + _TIMEOUT - self._monotonic(), 0.01))
            except (OSError, RuntimeError, ImportError):
                printed = ""  # all of them are unknown: the refusal says so
            finally:
                self._turns.release()
        if not printed and self._monotonic() - begun >= _TIMEOUT:
            self._store(user, _TOO_SLOW, Memberships(unknown=frozenset(groups)))
        return printed

    def _store(self, user: str, groups: Sequence[str], found: Memberships) -> None:
        now = self._monotonic()
        with self._lock:
            if len(self._results) >= _MAX_RESULTS:
                self._results = {at: one for at, one in self._results.items() if one[1] > now}
            if len(self._results) < _MAX_RESULTS:
                self._results[user, tuple(groups)] = (found, now + (_FAILURE_LIFETIME if found.unknown else _LIFETIME))
