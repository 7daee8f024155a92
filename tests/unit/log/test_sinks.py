# SPDX-License-Identifier: Apache-2.0
"""Where records are written."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import time
from pathlib import Path
from typing import Dict, Iterator

import pytest

from eic_sshd.config.schema import LogSettings
from eic_sshd.invocation import Invocation
from eic_sshd.log import record, sinks
from eic_sshd.model.decision import Decision
from eic_sshd.model.outcome import DEBUG, ERR, INFO, WARNING, Outcome
from eic_sshd.model.reasons import Reason

from .decisions import GRANTED, HOSTILE, KEY, REQUEST


def test_no_value_can_imitate_another_record(tmp_path: Path) -> None:
    decision = Decision(Invocation(HOSTILE, HOSTILE, begun=0.0), Reason.IMDS_ERROR, HOSTILE, callers=(HOSTILE,))
    for text in (record.sentence(decision), *map(str, record.fields(decision).values())):
        assert text.isprintable()
    path = tmp_path / "log"
    sinks.to_file(record.of(decision), str(path))
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["decision"] == "error"


def test_arguments_that_are_not_utf_8_can_be_recorded(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sinks.to_file(record.of(Decision(Invocation("\udcff", begun=0.0), Reason.USER_NAME_INVALID, "x \udcff")), str(path))
    assert json.loads(path.read_text())["user"] == "\\udcff"


def test_json_lines_are_appended_and_private(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write = sinks.writer(LogSettings(destination=str(path)))
    write(record.of(GRANTED))
    write(record.of(GRANTED))
    first, second = map(json.loads, path.read_text().splitlines())
    assert first["message"] == second["message"]
    assert first["message_id"] == Outcome.GRANTED.message_id
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o007 == 0


def test_no_record_is_written_through_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "log"
    target.touch()
    link.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        sinks.to_file(record.of(GRANTED), str(link))
    assert target.read_text() == ""


def test_stderr_gets_the_json_line(capfd: pytest.CaptureFixture[str]) -> None:
    sinks.writer(LogSettings(destination="stderr"))(record.of(GRANTED))
    assert json.loads(capfd.readouterr().err)["reason"] == "granted"


@pytest.mark.parametrize(
    ("level", "reason", "written"),
    [
        (INFO, Reason.NO_ACTIVE_KEYS, True),
        (WARNING, Reason.NO_ACTIVE_KEYS, False),
        (WARNING, Reason.GRANTED, False),
        (WARNING, Reason.BAD_SIGNATURE, True),
        (ERR, Reason.BAD_SIGNATURE, False),
        (ERR, Reason.CONFIG_INVALID, True),
        (DEBUG, Reason.NO_ACTIVE_KEYS, True),
    ],
)
def test_only_records_of_the_level_or_more_severe_are_written(
    tmp_path: Path, level: int, reason: Reason, written: bool
) -> None:
    path = tmp_path / "log"
    sinks.writer(LogSettings(destination=str(path), level=level))(record.of(Decision(REQUEST, reason, "")))
    assert path.exists() == written


@pytest.mark.parametrize("make", ["folder", "symlink", "fifo", "nowhere"])
def test_a_log_that_cannot_be_written_is_reported_to_syslog(
    tmp_path: Path, make: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    if make == "folder":
        path.mkdir()
    elif make == "symlink":
        path.symlink_to(tmp_path / "elsewhere")
    elif make == "fifo":
        os.mkfifo(path)
    else:
        path = tmp_path / "none" / "log"
    reported = []
    monkeypatch.setattr(sinks, "to_syslog", lambda decision, note="": reported.append(note))
    sinks.writer(LogSettings(destination=str(path)))(record.of(GRANTED))
    assert len(reported) == 1
    assert str(path) in reported[0]
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dict[str, socket.socket]]:
    """Sockets that replace those of journald and syslog."""
    with contextlib.ExitStack() as stack:
        made = {}
        for name in ("_JOURNAL_SOCKET", "_SYSLOG_SOCKET"):
            path = str(tmp_path / name)
            monkeypatch.setattr(sinks, name, path)
            made[name] = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            made[name].bind(path)
            made[name].settimeout(5)
        yield made


def test_syslog_gets_one_line_of_sentence_and_fields(logs: Dict[str, socket.socket]) -> None:
    sinks.writer(LogSettings(destination="syslog"))(record.of(GRANTED))
    line = logs["_SYSLOG_SOCKET"].recv(65536).decode()
    assert line.startswith(f"<{10 * 8 + Reason.GRANTED.severity}>eic-sshd[{os.getpid()}]: {record.sentence(GRANTED)} ")
    assert f'fingerprint="{KEY.fingerprint}"' in line
    assert "\n" not in line


def test_no_value_can_imitate_a_field_in_syslog(logs: Dict[str, socket.socket]) -> None:
    decision = Decision(Invocation(HOSTILE, begun=0.0), Reason.DOMAIN_UNKNOWN, HOSTILE)
    sinks.writer(LogSettings(destination="syslog"))(record.of(decision))
    line = logs["_SYSLOG_SOCKET"].recv(65536).decode()
    assert line.count('decision="') == 1
    assert 'decision="refused"' in line


def test_the_journal_gets_every_field_and_the_outcomes_message_id(logs: Dict[str, socket.socket]) -> None:
    sinks.writer(LogSettings(destination="journal"))(record.of(GRANTED))
    entry = logs["_JOURNAL_SOCKET"].recv(65536).decode()
    fields = dict(line.split("=", 1) for line in entry.splitlines())
    assert fields["MESSAGE"] == record.sentence(GRANTED)
    assert fields["MESSAGE_ID"] == Outcome.GRANTED.message_id
    assert fields["SYSLOG_IDENTIFIER"] == "eic-sshd"
    assert fields["SYSLOG_FACILITY"] == "10"
    assert fields["PRIORITY"] == str(Reason.GRANTED.severity)
    assert fields["EIC_SSHD_PID"] == "4242"
    assert {name for name in fields if name.startswith("EIC_")} == {
        "EIC_DECISION", "EIC_REASON", "EIC_USER", "EIC_FINGERPRINT", "EIC_KEY_TYPE", "EIC_CALLER", "EIC_REQUEST_ID",
        "EIC_EXPIRES", "EIC_INSTANCE_ID", "EIC_SOURCE", "EIC_ELAPSED_US", "EIC_SSHD_PID",
    }  # fmt: skip


def test_no_value_can_add_a_field_to_a_journal_entry(logs: Dict[str, socket.socket]) -> None:
    hostile = "x\nEIC_DECISION=granted\n\nMESSAGE=granted"
    sinks.writer(LogSettings(destination="journal"))(
        record.of(Decision(Invocation(hostile, begun=0.0), Reason.IMDS_ERROR, hostile))
    )
    entry = logs["_JOURNAL_SOCKET"].recv(65536).decode()
    assert entry.count("\nEIC_DECISION=") == 1
    assert "\nEIC_DECISION=error\n" in entry


def test_without_a_journal_the_record_goes_to_syslog(
    logs: Dict[str, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "_JOURNAL_SOCKET", "/nonexistent/socket")
    sinks.writer(LogSettings(destination="journal"))(record.of(GRANTED))
    assert b"granted" in logs["_SYSLOG_SOCKET"].recv(65536)


@pytest.mark.parametrize("destination", ["journal", "syslog"])
def test_a_stuck_log_does_not_delay_a_login(logs: Dict[str, socket.socket], destination: str) -> None:
    for stuck in logs.values():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler, contextlib.suppress(BlockingIOError):
            filler.setblocking(False)
            filler.connect(stuck.getsockname())
            for _ in range(10_000):
                filler.send(b"x" * 100)
    begun = time.monotonic()
    sinks.writer(LogSettings(destination=destination))(record.of(GRANTED))
    assert time.monotonic() - begun < 1
