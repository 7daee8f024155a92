# SPDX-License-Identifier: Apache-2.0
"""One at a time changes a machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Iterator

from . import Refused
from .changes import Say

_LOCK = "/run/eic-sshd.lock"
_PATIENCE = 120  # seconds for another one to end


@contextlib.contextmanager
def alone(say: Say) -> Iterator[None]:
    """Hold the lock of this machine. Only root can lock what only root can open."""
    try:
        descriptor = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(f"{_LOCK}, by which one at a time changes a machine, can't be opened: {error.strerror}") from None
    try:
        for waited in range(_PATIENCE):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waited == 0:
                    say("waiting for another `eic-sshd enable` or `disable` to end")
                time.sleep(1)
        else:
            raise Refused(f"another `eic-sshd enable` or `disable` is still at work (it holds {_LOCK})")
        yield
    finally:
        os.close(descriptor)
