# SPDX-License-Identifier: Apache-2.0
"""Entries of the journal that a login leaves, and who may write them.

Any user can write any field of an entry that does not begin with an underscore: systemd.journal-fields(7). journald
sets the others itself; `_UID` is the kernel's word (unix(7), SCM_CREDENTIALS).
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from typing import Collection, Mapping, Optional, Sequence, Tuple, Union

from ..model.outcome import Outcome
from . import times
from .sshd_lines import IDENTIFIERS

SESSION_STARTED = "8d45620c1a4348dbb17410da57c60c66"  # logind's, sd-messages.h
SESSION_ENDED = "3354939424b4456d9802ca8333ed424a"
RECORDS: Tuple[str, ...] = tuple(outcome.message_id for outcome in Outcome)
_RECORDS = frozenset(RECORDS)
LOGIND = (SESSION_STARTED, SESSION_ENDED)

Field = Union[str, int, bytes, Sequence[Union[str, int, bytes]]]
Raw = Mapping[str, Field]
"""An entry's fields by name, as python3-systemd reads them; the two timestamps are whole microseconds."""


class Origin(enum.Enum):
    """Who wrote an entry."""

    RECORD = "record"  # eic-sshd
    SSHD = "sshd"
    LOGIND = "logind"


@dataclass(frozen=True)
class Entry:
    """One entry. `at` is in microseconds since the epoch, `monotonic` in microseconds since the boot.

    `fields` of a record have their names in JSON, such as `caller`. `boot` is empty for a record from a file.
    """

    at: int
    origin: Origin
    boot: str = ""
    pid: Optional[int] = None
    message: str = ""
    message_id: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    monotonic: Optional[int] = None


def from_journal(raw: Raw, record_uids: Collection[int]) -> Optional[Entry]:
    """The entry with these fields; None if it does not count. `record_uids` may write eic-sshd's records.

    What does not count is written by another program, or is forged.
    """
    message_id = text(raw.get("MESSAGE_ID"))
    written_by = _origin(raw, message_id, record_uids)
    at = number(raw.get("__REALTIME_TIMESTAMP"))
    if written_by is None or at is None:
        return None
    fields: Mapping[str, str] = _NO_FIELDS
    if written_by is Origin.RECORD:
        fields = {name[4:].lower(): text(value) for name, value in raw.items() if name.startswith("EIC_")}
    elif written_by is Origin.LOGIND:
        fields = {name.lower(): text(raw.get(name)) for name in ("SESSION_ID", "USER_ID", "LEADER")}
    return Entry(
        at,
        written_by,
        text(raw.get("_BOOT_ID")),
        number(raw.get("_PID")),
        text(raw.get("MESSAGE")),
        message_id,
        fields,
        number(raw.get("__MONOTONIC_TIMESTAMP")),
    )


_NO_FIELDS: Mapping[str, str] = {}


def _origin(raw: Raw, message_id: str, record_uids: Collection[int]) -> Optional[Origin]:
    uid = number(raw.get("_UID"))
    if message_id in _RECORDS:
        return Origin.RECORD if uid is not None and uid in record_uids else None
    if uid != 0:
        return None
    if message_id in LOGIND:
        return Origin.LOGIND
    return Origin.SSHD if text(raw.get("SYSLOG_IDENTIFIER")) in IDENTIFIERS else None


_NOT_FIELDS = {"timestamp", "message", "message_id", "priority"}


def from_json_line(line: str) -> Optional[Entry]:
    """The record in a line of a file of JSON lines; None if the line has none."""
    try:
        parsed = json.loads(line)
        at, message_id = times.microseconds(parsed["timestamp"]), parsed["message_id"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if at is None or message_id not in RECORDS:
        return None
    fields = {name: str(value) for name, value in parsed.items() if name not in _NOT_FIELDS}
    return Entry(
        at=at,
        origin=Origin.RECORD,
        message=str(parsed.get("message", "")),
        message_id=message_id,
        fields=fields,
    )


def text(field: Optional[Field]) -> str:
    """The field as text. Of a field that occurs more than once, the first: what counts here writes each only once."""
    if isinstance(field, bytes):  # the usual case, first: it runs for each field
        return field.decode("utf-8", "backslashreplace")
    if isinstance(field, str):
        return field
    if isinstance(field, int):
        return str(field)
    return text(field[0]) if field else ""


def number(field: Optional[Field]) -> Optional[int]:
    """The field as a whole number that is not negative; None if it is none."""
    if isinstance(field, int):
        return field
    digits = field if isinstance(field, bytes) else text(field)
    return int(digits) if len(digits) < 20 and digits.isdigit() and digits.isascii() else None
