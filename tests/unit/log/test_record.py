# SPDX-License-Identifier: Apache-2.0
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
from eic_sshd.model.decision import Decision, Source
from eic_sshd.model.public_key import parse
from eic_sshd.model.reasons import DEBUG, ERR, INFO, WARNING, Outcome, Reason
from testbed import keys

KEY = parse(keys.ed25519_line().encode())
REQUEST = Invocation("ec2-user", KEY.fingerprint, sshd_pid=4242, begun=0.0)
GRANTED = Decision(
    invocation=REQUEST,
    reason=Reason.GRANTED,
    detail="",
    keys=(KEY,),
    callers=("arn:aws:sts::1:assumed-role/Admin/alice",),
    request_ids=("r-1",),
    expires=1700000060,
    instance_id="i-0123456789abcdef0",
    source=Source.IMDS,
    elapsed_us=1234,
)
HOSTILE = 'a\n2026 sshd: Accepted\r\x1b[2J\x00\u2028\u202e" decision="granted'


def test_the_record_of_a_grant_has_every_field() -> None:
    assert record.fields(GRANTED) == {
        "decision": "granted",
        "reason": "granted",
        "user": "ec2-user",
        "fingerprint": KEY.fingerprint,
        "key_type": "ssh-ed25519",
        "caller": "arn:aws:sts::1:assumed-role/Admin/alice",
        "request_id": "r-1",
        "expires": 1700000060,
        "instance_id": "i-0123456789abcdef0",
        "source": "imds",
        "elapsed_us": 1234,
        "sshd_pid": 4242,
    }


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_makes_a_sentence_and_fields(reason: Reason) -> None:
    decision = Decision(REQUEST, reason, "some detail", (KEY,) if reason.outcome is Outcome.GRANTED else ())
    fields = record.fields(decision)
    assert (fields["reason"], fields["decision"]) == (reason.word, reason.outcome.value)
    assert "ec2-user" in record.sentence(decision)
    assert "\n" not in record.sentence(decision)


def test_a_user_without_pushed_keys_is_recorded_without_alarm() -> None:
    sentence = record.sentence(Decision(REQUEST, Reason.NO_ACTIVE_KEYS, ""))
    assert sentence == f"no key is pushed for ec2-user; requested: key {REQUEST.fingerprint} (no-active-keys)"
    assert Reason.NO_ACTIVE_KEYS.severity == INFO


def test_a_broken_fallback_is_recorded_when_no_key_is_pushed() -> None:
    sentence = record.sentence(Decision(REQUEST, Reason.NO_ACTIVE_KEYS, "fallback /k/ec2-user: Permission denied"))
    assert sentence.endswith("; fallback /k/ec2-user: Permission denied (no-active-keys)")


def test_no_value_can_imitate_another_record(tmp_path: Path) -> None:
    decision = Decision(Invocation(HOSTILE, HOSTILE, begun=0.0), Reason.IMDS_ERROR, HOSTILE, callers=(HOSTILE,))
    for text in (record.sentence(decision), *map(str, record.fields(decision).values())):
        assert text.isprintable()
    path = tmp_path / "log"
    sinks.to_file(record.of(decision), str(path))
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["decision"] == "error"


def test_a_long_value_is_cut_off() -> None:
    decision = Decision(Invocation("u" * 10_000, "f" * 10_000, begun=0.0), Reason.IMDS_ERROR, "d" * 100_000)
    assert len(record.sentence(decision)) < 5000
    assert all(len(str(value)) < 2000 for value in record.fields(decision).values())


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


def test_every_reason_is_documented_and_every_outcome_has_its_own_message_id() -> None:
    assert len({reason.word for reason in Reason}) == len(Reason)
    assert len({outcome.message_id for outcome in Outcome}) == len(Outcome)
    for reason in Reason:
        assert reason.meaning.endswith(".")
        assert reason.remedy.endswith((".", "`."))
