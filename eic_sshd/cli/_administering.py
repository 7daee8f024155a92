# SPDX-License-Identifier: Apache-2.0
"""What the subcommands that change this machine have in common."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import select
import signal
import stat
import sys
import time
from typing import Any, Callable, Iterator, Optional, TextIO

from ..enabling import Refused, StillAsks, Unfinished
from ..enabling.site import Site
from ..enabling.sshd import Sshd
from ..enabling.units import Units

_LOCK = "/run/eic-sshd.lock"
_PATIENCE = 120  # seconds for another one to end
_READER_PATIENCE = 10  # seconds for whoever reads what is said
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class _Interrupted(BaseException):
    """Somebody wants this to end, or their connection broke: what was begun is put back first."""


def configure_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def this_machine(dry_run: bool) -> Site:
    return Site(Sshd(), Units(_say, dry_run), _say, dry_run)


def administering(arguments: argparse.Namespace, change: Callable[[Site], None]) -> int:
    """Run `change` on this machine; the exit status: 0 done, or nothing to do; 1 not all done, which is said, or 3 if
    because of that an sshd may go on asking eic-sshd (the packages' scripts go by that)."""
    if os.geteuid() != 0:
        _say("only root can change what sshd does: run it as root", sys.stderr)
        return 1
    os.umask(0o022)  # what sshd and others are to read
    site = this_machine(arguments.dry_run)
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        with contextlib.nullcontext() if arguments.dry_run else _alone():
            change(site)
    except (Refused, Unfinished) as problem:
        _say(str(problem), sys.stderr)
        return 3 if isinstance(problem, StillAsks) else 1
    except _Interrupted:
        _say("interrupted: what was changed is put back, as far as nothing else is said above", sys.stderr)
        return 1
    return 0


def _interrupt(*_: Any) -> None:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # once is enough: what follows puts things back
    raise _Interrupted


def _say(sentence: str, stream: Optional[TextIO] = None) -> None:
    """Nobody reading it is no reason to stop half-way, nor to wait for long."""
    stream = stream or sys.stdout
    if stream is None:
        return  # it was closed when we began
    try:
        _require_taken(stream.fileno())
        encoding = stream.encoding or "ascii"
        stream.write(f"eic-sshd: {sentence}\n".encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def _require_taken(descriptor: int) -> None:
    """Raises TimeoutError where a pipe or socket is full and stays so; one that is writable takes a line at once."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if not poll.poll(_READER_PATIENCE * 1000):
            raise TimeoutError("nobody reads it")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One at a time changes a machine. Only root can lock what only root can open."""
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
                    _say("waiting for another `eic-sshd enable` or `disable` to end")
                time.sleep(1)
        else:
            raise Refused(f"another `eic-sshd enable` or `disable` is still at work (it holds {_LOCK})")
        yield
    finally:
        os.close(descriptor)
