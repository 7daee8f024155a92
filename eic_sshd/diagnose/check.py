# SPDX-License-Identifier: Apache-2.0
"""A check of `eic-sshd doctor`, and how all of them are made within a time limit.

Each check runs in a process of its own, so that one that hangs, or that gives up its rights, affects no other. Such a
process sends its findings as JSON, since it may have become another user.
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
from dataclasses import astuple, dataclass
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Sequence

from .finding import Finding, Severity, unknown

_MAX_BYTES = 256 * 1024  # of the findings of one check
_MAX_FINDINGS = 100
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

    They run at the same time. A check that does not end within `seconds`, or fails, has a finding UNKNOWN.
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
    texts = {one.check.name: one.text for one in running.values() if one.is_complete}
    return [result for check in checks for result in _results(check, texts.get(check.name), is_root)]


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
        self.is_complete = False
        self._received = b""
        self.pipe, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.setpgid(0, 0)  # so that its own processes end with it
                _detach(alarm)
                os.close(self.pipe)
                with os.fdopen(write, "wb") as file:
                    file.write(_encoded(check))
                os._exit(0)
            finally:
                os._exit(1)
        os.close(write)

    @property
    def text(self) -> bytes:
        """What it sent."""
        return self._received

    def receive(self) -> bool:
        """Receive what has come. False once all has come, or too much."""
        part = os.read(self.pipe, 65536)
        self._received += part
        self.is_complete = not part
        return bool(part) and len(self._received) <= _MAX_BYTES

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


def _encoded(check: Check) -> bytes:
    """What the check finds, as JSON. An exception in it is a finding as well."""
    found: List[Finding] = []
    try:
        for finding in check.find():
            found.append(finding)
            if len(found) == _MAX_FINDINGS:
                break
    except Exception as failure:
        found.append(unknown("check-failed", check.name, f"the check failed ({type(failure).__name__}: {failure})"))
    rows = [(*astuple(one)[:1], one.severity.value, one.subject, one.problem, one.remedy) for one in found]
    return json.dumps(rows).encode("ascii")


def _results(check: Check, text: object, is_root: bool) -> Iterator[Result]:
    found = list(dict.fromkeys(_findings(check, text, is_root)))
    for finding in found or [Finding("ok", Severity.OK, check.name, check.healthy)]:
        is_partial = finding.severity is Severity.OK and not is_root and check.without_root is WithoutRoot.PART
        yield Result(check.name, _as_far_as_seen(finding) if is_partial else finding)


def _as_far_as_seen(finding: Finding) -> Finding:
    return unknown("needs-root", finding.subject, f"{finding.problem}, as far as this user can see", _AS_ROOT)


def _findings(check: Check, text: object, is_root: bool) -> Iterator[Finding]:
    if not is_root and check.without_root is WithoutRoot.NOTHING:
        yield unknown("needs-root", check.name, "only root can see it", _AS_ROOT)
    elif not isinstance(text, bytes):
        yield unknown("no-answer", check.name, "the check did not end in time")
    else:
        try:
            for code, severity, subject, problem, remedy in json.loads(text):
                yield Finding(str(code), Severity(severity), str(subject), str(problem), str(remedy))
        except ValueError:
            yield unknown("no-answer", check.name, "the check ended without an answer")
