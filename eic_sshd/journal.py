# SPDX-License-Identifier: Apache-2.0
"""Writing decision records: to the journal, syslog, standard error or a file of JSON lines."""

from __future__ import annotations

import datetime
import os
import sys
from typing import Callable

from . import record
from .decision import Decision
from .settings import LogSettings

IDENTIFIER = "eic-sshd"
_JOURNAL_SOCKET = "/run/systemd/journal/socket"
_AUTHPRIV = 10  # syslog(3): LOG_AUTHPRIV is (10 << 3); the journal's SYSLOG_FACILITY is the bare number

Write = Callable[[Decision], None]


def writer(settings: LogSettings) -> Write:
    """What writes a decision where `[log]` says; a destination that fails is told to syslog, with the record."""
    write = _destination(settings.destination)

    def write_or_tell(decision: Decision) -> None:
        if decision.reason.severity > settings.level:
            return
        try:
            write(decision)
        except Exception as error:  # a record must not cost a login, and must not be lost silently
            to_syslog(decision, f" [log destination {settings.destination} failed: {error}]")

    return write_or_tell


def _destination(destination: str) -> Write:
    if destination == "journal":
        return to_journal
    if destination == "syslog":
        return to_syslog
    if destination == "stderr":
        return to_stderr
    return lambda decision: to_file(decision, destination)


def to_journal(decision: Decision) -> None:
    """One journal entry (systemd.journal-fields(7)). Without a journal or its Python binding, to syslog."""
    try:
        import systemd.journal
    except ImportError:
        return to_syslog(decision)
    # sd_journal_send(3) says nothing when no journald listens.
    if not os.path.exists(_JOURNAL_SOCKET):
        return to_syslog(decision)
    fields = {f"EIC_{name.upper()}": str(value) for name, value in record.fields(decision).items()}
    systemd.journal.send(
        record.sentence(decision),
        MESSAGE_ID=decision.outcome.message_id,
        PRIORITY=str(decision.reason.severity),
        SYSLOG_FACILITY=str(_AUTHPRIV),
        SYSLOG_IDENTIFIER=IDENTIFIER,
        SYSLOG_PID=str(os.getpid()),
        **fields,
    )
    return None


def to_syslog(decision: Decision, note: str = "") -> None:
    """One line: the sentence, then the fields as name="value"."""
    import json
    import syslog

    fields = " ".join(f"{name}={json.dumps(str(value))}" for name, value in record.fields(decision).items())
    syslog.openlog(IDENTIFIER, syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(decision.reason.severity, f"{record.sentence(decision)}{note} {fields}")


def to_stderr(decision: Decision) -> None:
    """The JSON line, on standard error (which sshd throws away: this is for trying things by hand)."""
    sys.stderr.write(_json_line(decision))
    sys.stderr.flush()


def to_file(decision: Decision, path: str) -> None:
    """The JSON line, appended in one write, so that lines of several processes never mix."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o640)
    try:
        line = _json_line(decision).encode()
        if os.write(descriptor, line) != len(line):
            raise OSError(f"{path} took only part of the record")
    finally:
        os.close(descriptor)


def _json_line(decision: Decision) -> str:
    import json

    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        json.dumps(
            {
                "timestamp": now.isoformat(timespec="microseconds"),
                **record.fields(decision),
                "message": record.sentence(decision),
                "message_id": decision.outcome.message_id,
                "priority": decision.reason.severity,
            }
        )
        + "\n"
    )
