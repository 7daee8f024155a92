# SPDX-License-Identifier: Apache-2.0
"""Writing records: to the journal, syslog, standard error or a file of JSON lines."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import Callable

from ..config.schema import LogSettings
from ..host.timed_calls import TimedCalls
from .record import Record

IDENTIFIER = "eic-sshd"
_JOURNAL_SOCKET = "/run/systemd/journal/socket"
_SYSLOG_SOCKET = "/dev/log"
_WRITE_TIMEOUT = 0.2  # seconds for journald, syslog or the reader of standard error to accept one record
_AUTHPRIV = 10  # syslog(3): LOG_AUTHPRIV is (10 << 3); the journal's SYSLOG_FACILITY is the bare number

# Seconds for a file, which may be on a network disk. All of the daemon's threads may write at one time.
_FILE_TIMEOUT = 1.0
_file_writes = TimedCalls(40)

Write = Callable[[Record], None]


def writer(settings: LogSettings) -> Write:
    """The function that writes a record to the destination of `[log]`; if that fails, to syslog with the error."""
    write = _destination(settings.destination)

    def write_or_report(entry: Record) -> None:
        if entry.severity > settings.level:
            return
        try:
            write(entry)
        except Exception as error:  # a failing log must not prevent a login or lose the record silently
            try:
                to_syslog(entry, f" [log destination {settings.destination} failed: {error}]")
            except OSError:
                with contextlib.suppress(OSError, ValueError):  # there is no other destination
                    to_stderr(entry)

    return write_or_report


def _destination(destination: str) -> Write:
    if destination == "journal":
        return to_journal
    if destination == "syslog":
        return to_syslog
    if destination == "stderr":
        return to_stderr
    return lambda entry: _file_writes.call(lambda: to_file(entry, destination), _FILE_TIMEOUT)


def to_journal(entry: Record) -> None:
    """One journal entry (systemd.journal-fields(7)); without a journal, to syslog.

    It is sent in the native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL: lines of FIELD=value in one datagram) and not
    through the Python binding: that one waits for a stuck journald and holds the interpreter's lock meanwhile, so that
    no other thread could end a login in time.
    """
    fields = {
        "MESSAGE": entry.message,
        "MESSAGE_ID": entry.message_id,
        "PRIORITY": entry.severity,
        "SYSLOG_FACILITY": _AUTHPRIV,
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "SYSLOG_PID": os.getpid(),
        **{f"EIC_{name.upper()}": value for name, value in entry.fields.items()},
    }
    # No value contains a newline: record.clean() escapes it.
    datagram = "".join(f"{name}={value}\n" for name, value in fields.items())
    try:
        _send(_JOURNAL_SOCKET, datagram.encode("utf-8", "backslashreplace"))
    except FileNotFoundError:
        to_syslog(entry)


def to_syslog(entry: Record, note: str = "") -> None:
    """One line (RFC 3164): the sentence, then the fields as name="value"."""
    import json

    fields = " ".join(f"{name}={json.dumps(str(value))}" for name, value in entry.fields.items())
    sentence = entry.message.replace('"', "'")  # so that nothing in it looks like a field
    priority = _AUTHPRIV * 8 + entry.severity
    line = f"<{priority}>{IDENTIFIER}[{os.getpid()}]: {sentence}{note} {fields}"
    _send(_SYSLOG_SOCKET, line.encode("utf-8", "backslashreplace"))


def _send(path: str, datagram: bytes) -> None:
    """Raises OSError if the receiver does not accept it within _WRITE_TIMEOUT."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(_WRITE_TIMEOUT)
        sender.connect(path)
        sender.send(datagram)


def to_stderr(entry: Record) -> None:
    """The JSON line, on standard error. sshd discards that: it is for runs by hand."""
    write_stderr(_json_line(entry))


def write_stderr(text: str) -> None:
    """Write to standard error. Raises OSError if its reader does not accept the text within _WRITE_TIMEOUT."""
    # A pipe or stream that is writable accepts this much at once: pipe(7), PIPE_BUF.
    if not select.select([], [2], [], _WRITE_TIMEOUT)[1]:
        raise OSError("standard error is not read")
    os.write(2, text.encode("utf-8", "backslashreplace")[: select.PIPE_BUF])


def to_file(entry: Record, path: str) -> None:
    """The JSON line, appended in one write, so that lines of several processes never mix."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o640)
    try:
        line = _json_line(entry).encode()
        if os.write(descriptor, line) != len(line):
            raise OSError(f"{path}: only part of the record was written")
    finally:
        os.close(descriptor)


def _json_line(entry: Record) -> str:
    import datetime  # late: both are slow to load, and only a file of JSON lines needs them
    import json

    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        json.dumps(
            {
                "timestamp": now.isoformat(timespec="microseconds"),
                **entry.fields,
                "message": entry.message,
                "message_id": entry.message_id,
                "priority": entry.severity,
            }
        )
        + "\n"
    )
