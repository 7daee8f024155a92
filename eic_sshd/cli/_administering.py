# SPDX-License-Identifier: Apache-2.0
"""What the subcommands that change this machine have in common."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
from typing import Any, Callable, Iterator

from ..enabling import Refused
from ..enabling.site import Site
from ..enabling.sshd import Sshd
from ..enabling.units import Units

_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class _Interrupted(BaseException):
    """Somebody wants this to end, or their connection broke: what was begun is put back first."""


def configure_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def administering(arguments: argparse.Namespace, change: Callable[[Site], None]) -> int:
    """Run `change` on this machine; the exit status: 0 done, or nothing to do; 1 not done, which is said."""
    os.umask(0o022)  # what sshd and others are to read
    site = Site(Sshd(), Units(), _say, arguments.dry_run)
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        with _alone(os.path.dirname(site.sshd.config)):
            change(site)
    except Refused as problem:
        _say(str(problem), sys.stderr)
        return 1
    except _Interrupted:
        _say("interrupted: everything is as it was before", sys.stderr)
        return 1
    return 0


def _interrupt(*_: Any) -> None:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # once is enough: what follows puts things back
    raise _Interrupted


def _say(sentence: str, stream: Any = None) -> None:
    """Nobody reading it is no reason to stop half-way."""
    stream = stream or sys.stdout
    try:
        encoding = stream.encoding or "ascii"
        stream.write(f"eic-sshd: {sentence}\n".encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """One at a time changes a machine; the folder itself is what is locked, so that nothing is left behind."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield  # no sshd's: what is to be done will find that out for itself
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
