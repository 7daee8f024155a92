# SPDX-License-Identifier: Apache-2.0
"""The AuthorizedKeysCommand that a site had before eic-sshd: it runs after our own answer, and sshd gets its output."""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import signal
import threading
import time
from typing import Dict, Iterator, List, Optional, Tuple

from ..config.schema import CHAIN_SHARE, Config
from ..host import trusted_files
from ..invocation import CHAINED_MARK, Invocation
from ..log.record import Fields, Record, clean
from ..model import keys_command
from ..model.decision import Decision
from ..model.outcome import INFO, WARNING
from ..model.reasons import Reason
from ..model.value import Value

MESSAGE_ID = "7a0f39f2b86b4f6a9d3f9a1c5d2e4b60"
# The folders of Debian's and of Red Hat's sshd (_PATH_STDPATH).
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/games"
_LIMIT = 16 * 1024 * 1024  # bytes it may print
# [users] denies the user, or that could not be found out.
_NEVER = frozenset({Reason.USER_FORBIDDEN, Reason.USER_GROUPS_UNKNOWN})


class CommandResult(Value):
    """How the command ended. `output` is what it printed, if that counts; `status` is its exit status."""

    output: bytes
    status: Optional[int]
    problem: str
    elapsed_us: int


class _Failed(Exception):
    """The command did not end properly; the message has the reason."""


def should_run(config: Config, decision: Decision) -> bool:
    """Whether the command can add anything: sshd uses the first line that has the client's key."""
    answered = decision.invocation.fingerprint is not None and decision.keys
    return config.chain.command is not None and not answered and decision.reason not in _NEVER


def seconds_left(config: Config, begun: float, now: float) -> float:
    """What is left for the command of a deadline that began to run at `begun`, but never less than its share."""
    deadline = config.imds.deadline
    return max(begun + deadline - now, deadline * CHAIN_SHARE)


def run(command: str, invocation: Invocation, seconds: float) -> CommandResult:
    """Run `command` as sshd would (its user and its environment); never for longer than `seconds`.

    Only the output of a command that ends with status 0 counts, as with sshd.
    """
    begun = time.monotonic()
    output, status, problem = b"", None, ""
    try:
        argv = _arguments(command, invocation)
        trusted_files.require_safe(argv[0])
        output, status = _run(argv, _environment(invocation.language), begun + seconds)
    except (_Failed, trusted_files.UntrustedFile) as failure:
        problem = str(failure)
    except OSError as error:
        problem = f"it can't be run: {error.strerror or error}"
    except Exception as error:  # whatever it is, our own keys are still printed
        problem = f"not run: {type(error).__name__}: {error}"
    elapsed_us = int((time.monotonic() - begun) * 1_000_000)
    if status:
        return CommandResult(b"", status, f"exit status {status}, so what it printed does not count", elapsed_us)
    if output and not output.endswith(b"\n"):
        output += b"\n"
    return CommandResult(output, status, problem, elapsed_us)


def record(command: str, invocation: Invocation, ended: CommandResult) -> Record:
    """The record of it: fields as for a decision, and chain_command and chain_status."""
    fields: Fields = {"user": clean(invocation.user), "chain_command": clean(command), "elapsed_us": ended.elapsed_us}
    if invocation.fingerprint is not None:
        fields["fingerprint"] = clean(invocation.fingerprint)
    if invocation.sshd_pid is not None:
        fields["sshd_pid"] = invocation.sshd_pid
    if ended.status is not None:
        fields["chain_status"] = ended.status
    lines = ended.output.count(b"\n")
    end = ended.problem or f"exit status 0, {lines} line{'' if lines == 1 else 's'}"
    sentence = f"chained command {clean(command)} for {clean(invocation.user)}: {clean(end)}"
    return Record(sentence, MESSAGE_ID, WARNING if ended.problem else INFO, fields)


def _arguments(command: str, invocation: Invocation) -> List[str]:
    words = keys_command.split(command)
    values = dict(invocation.tokens, u=invocation.user)
    if invocation.fingerprint is not None:
        values["f"] = invocation.fingerprint
    try:
        return keys_command.expand(words, values)
    except KeyError as token:
        name = token.args[0]
        raise _Failed(f"not run: sshd does not pass %{name}: run `eic-sshd enable --chain` again") from None


def _run(argv: List[str], environment: Dict[str, str], until: float) -> Tuple[bytes, int]:
    """(what it printed, its exit status). Raises _Failed, OSError."""
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(read, False)  # this end only: the command must find an ordinary pipe
    try:
        with _kill_on_sigterm():
            try:
                pid = _start(argv, environment, write)
            finally:
                os.close(write)
            try:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
                output = _collect(pid, read, until)
            except BaseException:
                _end(pid)
                raise
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(read)
    if status < 0:
        raise _Failed(f"ended by signal {-status}, so what it printed does not count")
    return output, status


@contextlib.contextmanager
def _kill_on_sigterm() -> Iterator[None]:
    """sshd ends its children when LoginGraceTime is over; a command in a session of its own would keep running.

    SIGTERM is blocked at first: the caller unblocks it when it is able to end the command.
    """

    def fail(*_: object) -> None:
        raise _Failed("sshd gave up waiting")

    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread; this process ends in a moment
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    before = signal.signal(signal.SIGTERM, fail)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _start(argv: List[str], environment: Dict[str, str], write: int) -> int:
    """The pid of the command, in a session of its own, so that what it starts can be ended with it."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        return os.posix_spawn(
            argv[0],
            argv,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, one, other) for one, other in ((null, 0), (write, 1), (null, 2))],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them
        )
    finally:
        os.close(null)


def _environment(language: Optional[str]) -> Dict[str, str]:
    """The environment that sshd gives a command (misc.c, subprocess), and the mark of a chained command."""
    entry = pwd.getpwuid(os.geteuid())
    return {
        **({} if language is None else {"LANG": language}),
        "PATH": _PATH,
        "USER": entry.pw_name,
        "LOGNAME": entry.pw_name,
        "HOME": entry.pw_dir,
        CHAINED_MARK: "1",
    }


def _collect(pid: int, read: int, until: float) -> bytes:
    """All that is printed until the last writer closes the pipe, as sshd reads it.

    If the process has ended and another that it started keeps the pipe open, this waits until `until`, and returns what
    was printed. Raises _Failed if the process itself did not end.
    """
    output = bytearray()
    process = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(read, select.POLLIN)
    try:
        waiting = {process, read}
        while waiting:
            ready = {descriptor for descriptor, _ in poll.poll(max(until - time.monotonic(), 0) * 1000)}
            if not ready and process in waiting:
                raise _Failed("it did not end in time, and was ended")
            if not ready:
                break
            if read in ready and not _drain(read, output):
                poll.unregister(read)
                waiting.discard(read)
            if len(output) > _LIMIT:
                raise _Failed(f"it printed more than {_LIMIT} bytes, and was ended")
            if process in ready:
                poll.unregister(process)
                waiting.discard(process)
        return bytes(output)
    finally:
        os.close(process)


def _drain(read: int, output: bytearray) -> bool:
    """Read what is in the pipe; whether a process still has its other end open."""
    while len(output) <= _LIMIT:
        try:
            data = os.read(read, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        output += data
    return True


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, os.WNOHANG)  # one that can't be ended now is left to init: this process ends in a moment
