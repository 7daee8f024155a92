# SPDX-License-Identifier: Apache-2.0
"""Only one `enable` or `disable` at a time changes a machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Iterator

from ..diagnose.finding import error
from ..paths import LOCK
from . import SetupRefused
from .report import Report

_LOCK_TIMEOUT = 120  # seconds for another process to finish


@contextlib.contextmanager
def exclusive_lock(report: Report) -> Iterator[None]:
    """Hold this machine's lock. Only root can open it, so no other user can hold it. Raises SetupRefused."""
    try:
        descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        raise SetupRefused(error("lock-unusable", LOCK, f"it cannot be opened ({failure.strerror})")) from None
    try:
        for waited in range(_LOCK_TIMEOUT):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waited == 0:
                    report("waiting for another `eic-sshd enable` or `disable` to finish")
                time.sleep(1)
        else:
            raise SetupRefused(
                error(
                    "lock-busy",
                    LOCK,
                    f"another `eic-sshd enable` or `disable` has held it for {_LOCK_TIMEOUT} s",
                    "Try again when it has finished",
                )
            )
        yield
    finally:
        os.close(descriptor)
