# SPDX-License-Identifier: Apache-2.0
"""A check of `eic-sshd doctor`, and how all of them are made within a time limit.

Each check runs in a process of its own, so that one that hangs, or that gives up its rights, affects no other. Such a
process sends each finding as a line of JSON once it has it, since it may have become another user, or may hang later.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

from .finding import Finding, Severity, unknown

_MAX_BYTES = 256 * 1024  # of the findings of one check
_MAX_FINDINGS = 100
_END = b"null"  # the last line of a check that has come to its end
_AS_ROOT = "Run it as root"
# For the end of a process that was killed.
_POLL_INTERVAL = 0.002  # seconds
_MAX_POLLS = 50

# The name of each check, a stable word, and what it is about; in the order in which a login depends on them.
ABOUT: Mapping[str, str] = {
    "program": "files, account, Python and its libraries",
    "configuration": "eic-sshd.conf",
    "sshd": "what sshd is configured to run",
    "running-sshd": "whether the running sshd has read that",
    "settings": "sshd's settings for keys",
    "selinux": "SELinux",
    "services": "the daemon's units and socket",
    "imds": "IMDS, as the user that runs eic-sshd",
    "imds-other": "the other address of IMDS (IPv6 or IPv4)",
    "clock": "the clock, by IMDS and the time daemon",
    "trust": "the signer's chain and staples now",
    "other-logins": "login methods that need no IMDS",
    "user-database": "users and groups that another machine has",
    "records": "what the log of the last day says",
    "login": "the login that --user and --addr describe",
}


class WithoutRoot(enum.Enum):
    """What a check can find out for a user other than root."""

    ALL = "all"
    PART = "part"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Check:
    """The check `name` of ABOUT.

    `find` yields findings that are not OK, and may yield one that is. `healthy` is the clause for people where it
    yields nothing.
    """

    name: str
    find: Callable[[], Iterable[Finding]]
    healthy: str
    without_root: WithoutRoot = WithoutRoot.PART


@dataclass(frozen=True)
class Result:
    """A finding, with the name of its check."""

    check: str
    finding: Finding


def run(checks: Sequence[Check], seconds: float, is_root: bool) -> List[Result]:
    """The results of all checks, in their order, with at least one for each.

    They run at the same time. A check that does not end within `seconds`, or fails, has a finding UNKNOWN beside what
    it has found.
    """
    until = time.monotonic() + seconds
    running: Dict[int, _Running] = {}
    try:
        for check in checks:
            if is_root or check.without_root is not WithoutRoot.NOTHING:
                started = _Running(check, int(seconds) + 2)
                running[started.pipe] = started
        _collect(running, until)
    finally:
        for one in running.values():
            one.end()
    found = {one.check.name: list(one.findings()) for one in running.values()}
    return [result for check in checks for result in _results(check, found.get(check.name), is_root)]


def _collect(running: Dict[int, _Running], until: float) -> None:
    """Receive what the processes write, until all have ended or the time is over."""
    poll = select.poll()
    for pipe in running:
        poll.register(pipe, select.POLLIN)
    left = len(running)
    while left and time.monotonic() < until:
        for pipe, _ in poll.poll(max(until - time.monotonic(), 0) * 1000):
            if not running[pipe].receive():
                poll.unregister(pipe)
                left -= 1


class _Running:
    """A check that runs in a process of its own."""

    def __init__(self, check: Check, alarm: int) -> None:
        self.check = check
        self._has_ended = False
        self._received = b""
        self.pipe, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.setpgid(0, 0)  # so that its own processes end with it
                _detach(alarm)
                os.close(self.pipe)
                with os.fdopen(write, "wb") as file:
                    for line in _encoded(check):
                        file.write(line)
                        file.flush()
                os._exit(0)
            finally:
                os._exit(1)
        os.close(write)

    def receive(self) -> bool:
        """Receive what has come. False once all has come, or too much."""
        part = os.read(self.pipe, 65536)
        self._received += part
        self._has_ended = not part
        return bool(part) and len(self._received) <= _MAX_BYTES

    def findings(self) -> Iterator[Finding]:
        """What it sent, and why that is not all of it."""
        for line in self._received.split(b"\n")[:-1]:  # not one that has come in part
            if line == _END:
                return
            code, severity, subject, problem, remedy = json.loads(line)
            yield Finding(str(code), Severity(severity), str(subject), str(problem), str(remedy))
        if len(self._received) > _MAX_BYTES:
            yield unknown("findings-cut", self.check.name, f"its findings are longer than {_MAX_BYTES // 1024} KiB")
        elif self._has_ended:
            yield unknown("no-answer", self.check.name, "the check ended without a whole answer")
        else:
            yield unknown("no-answer", self.check.name, "the check did not end in time")

    def end(self) -> None:
        """Kill it and the processes that it started, and wait for it: not for ever, as a disk may never answer."""
        os.close(self.pipe)
        for kill in (os.killpg, os.kill):  # it may not have its group yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self._pid, signal.SIGKILL)
        for _ in range(_MAX_POLLS):
            if os.waitpid(self._pid, os.WNOHANG)[0]:
                return
            time.sleep(_POLL_INTERVAL)


def _detach(alarm: int) -> None:
    """No streams, no environment, and an end of its own should the process that started it be killed."""
    os.environ.clear()  # no proxy, no OPENSSL_CONF
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(alarm)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.stdout = sys.stderr = os.fdopen(nowhere, "w")


def _encoded(check: Check) -> Iterator[bytes]:
    """Each finding of the check as a line of JSON, then the end. An exception in it is a finding as well."""
    for one in _found(check):
        row = (one.code, one.severity.value, one.subject, one.problem, one.remedy)
        yield json.dumps(row).encode("ascii") + b"\n"
    yield _END + b"\n"


def _found(check: Check) -> Iterator[Finding]:
    try:
        for number, finding in enumerate(check.find()):
            if number == _MAX_FINDINGS:
                yield unknown("findings-cut", check.name, f"it has more than {_MAX_FINDINGS} findings")
                return
            yield finding
    except Exception as failure:
        yield unknown("check-failed", check.name, f"the check failed ({type(failure).__name__}: {failure})")


def _results(check: Check, sent: Optional[Sequence[Finding]], is_root: bool) -> Iterator[Result]:
    """`sent` is None where the check was not made, as only root can see what it looks at."""
    if sent is None:
        sent = [unknown("needs-root", check.name, "only root can see it", _AS_ROOT)]
    for finding in dict.fromkeys(sent) or [Finding("ok", Severity.OK, check.name, check.healthy)]:
        is_partial = finding.severity is Severity.OK and not is_root and check.without_root is WithoutRoot.PART
        yield Result(check.name, _as_far_as_seen(finding) if is_partial else finding)


def _as_far_as_seen(finding: Finding) -> Finding:
    return unknown("needs-root", finding.subject, f"{finding.problem}, as far as this user can see", _AS_ROOT)
