# SPDX-License-Identifier: Apache-2.0
"""Which entries of the journal count."""

from __future__ import annotations

import json
from typing import Dict, Optional

import pytest

from eic_sshd.log import record, sinks
from eic_sshd.log.entries import LOGIND, RECORDS, Entry, Field, Origin, from_journal, from_json_line, number, text
from eic_sshd.model.outcome import Outcome

from .decisions import GRANTED, HOSTILE
from .journal import BEGIN, BOOT, EIC_UID, RECORD_UIDS, USER_UID

SSHD, RECORD, SESSION = (
    {"SYSLOG_IDENTIFIER": "sshd", "MESSAGE": "Accepted password for root from 10.0.0.1 port 22 ssh2"},
    {"SYSLOG_IDENTIFIER": "eic-sshd", "MESSAGE_ID": RECORDS[0], "EIC_USER": "root", "EIC_DECISION": "granted"},
    {"MESSAGE_ID": LOGIND[0], "SESSION_ID": "1", "LEADER": "1", "USER_ID": "root"},
)


def entry(fields: Dict[str, str], **trusted: str) -> Optional[Entry]:
    given: Dict[str, Field] = {"__REALTIME_TIMESTAMP": BEGIN, "__MONOTONIC_TIMESTAMP": (5, BOOT), "_BOOT_ID": BOOT}
    return from_journal({**given, "_PID": "4242", **fields, **trusted}, RECORD_UIDS)


@pytest.mark.parametrize(
    ("fields", "uid", "origin"),
    [
        (SSHD, "0", Origin.SSHD),
        ({**SSHD, "SYSLOG_IDENTIFIER": "sshd-session"}, "0", Origin.SSHD),
        ({**SSHD, "SYSLOG_IDENTIFIER": "sshd-auth"}, "0", Origin.SSHD),
        (RECORD, str(EIC_UID), Origin.RECORD),
        (RECORD, "0", Origin.RECORD),
        (SESSION, "0", Origin.LOGIND),
        *((fields, str(USER_UID), None) for fields in (SSHD, RECORD, SESSION)),
        (SSHD, str(EIC_UID), None),
        (SESSION, str(EIC_UID), None),
        *((fields, uid, None) for fields in (SSHD, RECORD, SESSION) for uid in ("", "-1", "x", "0x0", "\u0660")),
        ({**SSHD, "SYSLOG_IDENTIFIER": "sudo"}, "0", None),
        ({"MESSAGE": "no identifier"}, "0", None),
    ],
)
def test_entry_counts_by_the_user_that_the_kernel_names(
    fields: Dict[str, str], uid: str, origin: Optional[Origin]
) -> None:
    found = entry(fields, _UID=uid)
    assert (found.origin if found else None) is origin


@pytest.mark.parametrize("fields", [SSHD, RECORD, SESSION])
def test_entry_without_a_user_does_not_count(fields: Dict[str, str]) -> None:
    assert entry(fields) is None


@pytest.mark.parametrize(
    "forged", [{"UID": "0"}, {"EIC__UID": "0"}, {"OBJECT_UID": "0"}, {"SYSLOG_PID": "1"}, {"COREDUMP_UID": "0"}]
)
def test_fields_that_a_user_can_write_make_no_record(forged: Dict[str, str]) -> None:
    assert entry({**RECORD, **forged}, _UID=str(USER_UID)) is None


def test_a_record_has_its_fields_by_their_names_in_json() -> None:
    found = entry({**RECORD, "EIC_SSHD_PID": "17", "OTHER": "x"}, _UID=str(EIC_UID))
    assert found is not None
    assert dict(found.fields) == {"user": "root", "decision": "granted", "sshd_pid": "17"}
    assert (found.at, found.monotonic, found.boot, found.pid) == (BEGIN, 5, BOOT, 4242)


@pytest.mark.parametrize(
    ("field", "as_text", "as_number"),
    [
        (b"12", "12", 12),
        ("12", "12", 12),
        (12, "12", 12),
        ((12, BOOT), "12", 12),
        ([b"1", b"2"], "1", 1),
        ([], "", None),
        (None, "", None),
        (b"\xff", "\\xff", None),
        (b"-1", "-1", None),
        (b"1" * 30, "1" * 30, None),
        ("²", "²", None),
    ],
)
def test_field_of_any_form_is_a_text_and_maybe_a_number(
    field: Optional[Field], as_text: str, as_number: Optional[int]
) -> None:
    assert (text(field), number(field)) == (as_text, as_number)


def test_json_line_that_eic_sshd_writes_is_a_record() -> None:
    found = from_json_line(sinks._json_line(record.of(GRANTED)))
    assert found is not None
    expected = {name: str(value) for name, value in record.fields(GRANTED).items()}
    assert (found.origin, dict(found.fields), found.message_id) == (
        Origin.RECORD,
        expected,
        Outcome.GRANTED.message_id,
    )
    assert found.message == record.sentence(GRANTED)


_TIMESTAMP = "2026-11-29T07:00:00.000001+00:00"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "null",
        "{}",
        "{",
        "[" * 100_000,
        HOSTILE,
        json.dumps({"timestamp": _TIMESTAMP}),
        json.dumps({"timestamp": _TIMESTAMP, "message_id": "x"}),
        json.dumps({"timestamp": _TIMESTAMP, "message_id": []}),
        json.dumps({"timestamp": "yesterday", "message_id": RECORDS[0]}),
        json.dumps({"timestamp": "2026-11-29T07:00:00", "message_id": RECORDS[0]}),
        json.dumps({"timestamp": 1, "message_id": RECORDS[0]}),
        json.dumps({"timestamp": "9999-12-31T23:59:59-12:00", "message_id": RECORDS[0]}),
        json.dumps({"timestamp": "0001-01-01T00:00:00+14:00", "message_id": RECORDS[0]}),
        json.dumps({"message_id": RECORDS[0]}),
    ],
)
def test_line_that_is_no_record_is_left_out(line: str) -> None:
    assert from_json_line(line) is None
