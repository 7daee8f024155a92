# SPDX-License-Identifier: Apache-2.0
"""Checks that are repeated on a thread while a test changes a machine."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Callable, Iterator, List, Optional

from .. import waiting
from ..ssh import Login
from .client import USER, Client, Key
from .machine import Machine

_PAUSE = 0.01  # seconds between two steps
_MAX_STEPS = 100_000
_STEPS_TIMEOUT = 60  # seconds
_REFUSED = ("Connection refused", "Connection reset")
_RETRY_PAUSE = 0.5  # seconds; sshd may need that long on a busy machine


class Background:
    """Repeats `step` on a thread and counts; `step` returns a problem, or None."""

    def __init__(self, step: Callable[[], Optional[str]]) -> None:
        self._step = step
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.done = 0
        self.problems: List[str] = []

    def _run(self) -> None:
        for _ in range(_MAX_STEPS):
            if self._end.is_set():
                return
            try:
                problem = self._step()
            except Exception as error:
                problem = repr(error)
            if problem is not None:
                self.problems.append(problem)
            self.done += 1
            time.sleep(_PAUSE)

    def wait_for(self, count: int) -> None:
        """Wait until `count` steps are done. Raises TimedOut after a minute."""
        waiting.until(lambda: self.done >= count, f"{count} steps", _STEPS_TIMEOUT)

    def require_no_problem(self) -> None:
        """Fail with the first problems that were seen, if any."""
        assert not self.problems, f"{len(self.problems)} of {self.done}: {'; '.join(self.problems[:5])}"

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(timeout=120)


class ReloadWindow:
    """Allows one refused login for each reload of sshd: it is repeated.

    sshd closes its port for about 20 ms whenever it reloads (sshd.c, sighup_restart).
    """

    def __init__(self) -> None:
        self._may_be_closed = False

    @contextlib.contextmanager
    def reload(self) -> Iterator[None]:
        """While sshd is reloaded once."""
        self._may_be_closed = True
        yield
        self._may_be_closed = False

    def excuses(self, login: Login) -> bool:
        """Whether `login` was refused because the port was closed."""
        excused = self._may_be_closed and any(sign in login.errors for sign in _REFUSED)
        self._may_be_closed = self._may_be_closed and not excused
        return excused


def logins(client: Client, *keys: Key, window: Optional[ReloadWindow] = None) -> Background:
    """Repeated logins."""

    def step() -> Optional[str]:
        login = client.login(*keys)
        if window is not None and window.excuses(login):
            time.sleep(_RETRY_PAUSE)
            login = client.login(*keys)
        return None if login.output == USER else f"a login failed: {login.errors}"

    return Background(step)


def sshd_tests(machine: Machine) -> Background:
    """Repeated `sshd -t`."""

    def step() -> Optional[str]:
        done = machine.run("sshd", "-t", check=False)
        output = (done.stdout + done.stderr).strip()
        return None if done.returncode == 0 and not output else f"sshd -t: {done.returncode} {output}"

    return Background(step)
