# SPDX-License-Identifier: Apache-2.0
"""A folder with IMDS's answers for one decision, by which the decision can be made again without IMDS.

`saved.json` names what was asked and the paths that were read; each body is a file of its own, as IMDS gave it. A
folder may come from another person: nothing that it holds is used as a path, and everything is read within bounds.
"""

from __future__ import annotations

import json
import os
import re
import stat
from typing import Dict, Iterator, Mapping, Optional

from ..host.errors import MachineError
from ..host.new_folder import NewFolder
from ..model.outcome import Outcome
from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from .capture import Answer
from .session import AnswerTooLong

INDEX = "saved.json"
_FORMAT = 1
_INDEX_LIMIT = 256 * 1024  # bytes
_BODY_LIMIT = 512 * 1024  # bytes: the longest answer that is read from IMDS
_MAX_ANSWERS = 64
LAST_SECOND = 253402300799  # of the year 9999, since the epoch: RFC 3339 has four digits for the year
# What `client` reads: at most a user's name or a staple's name after a path of its own.
_PATH = re.compile(r"[a-z-]+(/[a-z-]+){0,2}(/[A-Za-z0-9_-][A-Za-z0-9@._$-]{0,127})?")
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class Save(Value):
    """What one decision was made from: at the time `as_of`, in seconds since the epoch.

    `uid` is that of the user, None if it is not known; `groups` has whether the user is in each group that was looked
    up. `hardware` has the facts of host/hardware.py.
    """

    as_of: float
    user: str
    fingerprint: Optional[str]
    uid: Optional[int]
    groups: Mapping[str, bool]
    hardware: Mapping[str, str]
    answers: Mapping[str, Answer]


def write(folder: NewFolder, save: Save) -> None:
    """Write all of `save`. Raises MachineError."""
    index = {
        "format": _FORMAT,
        "redacted": False,
        "as_of": save.as_of,
        "user": save.user,
        "fingerprint": save.fingerprint,
        "uid": save.uid,
        "groups": dict(save.groups),
        "hardware": dict(save.hardware),
        "answers": [{"path": path, **_entry(answer)} for path, answer in save.answers.items()],
    }
    folder.write(INDEX, _json(index))
    for path, answer in save.answers.items():
        if answer.body is not None:
            folder.write(_file_name(path), answer.body)


def write_redacted(folder: NewFolder) -> None:
    """Note that the folder holds no answers. Raises MachineError."""
    folder.write(INDEX, _json({"format": _FORMAT, "redacted": True}))


def load(path: str) -> Save:
    """What the folder at `path` holds. Raises MachineError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise MachineError(path, f"the folder cannot be read: {_reason(error)}") from error
    try:
        index = _Fields(_parse(_read(descriptor, INDEX, _INDEX_LIMIT)))
        if index.get("format", int) != _FORMAT:
            raise _Invalid("it has another format than this version of eic-sshd")
        if index.get("redacted", bool):
            remedy = "Read explanation.json in it. A save without --redact can be decided on again"
            raise MachineError(path, "it is redacted: it holds verdicts, and no answers of IMDS", remedy)
        return _save(index, descriptor)
    except _Invalid as invalid:
        raise MachineError(path, f"it is not a folder that `explain --save` made: {invalid}") from None
    finally:
        os.close(descriptor)


class _Invalid(Exception):
    """What is wrong with the folder."""


class _Fields:
    """The members of a JSON object, by the type that each must have."""

    def __init__(self, found: object) -> None:
        if not isinstance(found, dict):
            raise _Invalid(f"{INDEX} has a value that is no object")
        self._found: Dict[str, object] = found

    def get(self, name: str, kind: type) -> object:
        value = self._found.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _Invalid(f"{INDEX}: {name} is missing or not of its type")
        return value

    def text(self, name: str) -> str:
        return str(self.get(name, str))

    def optional(self, name: str, kind: type) -> Optional[object]:
        return None if self._found.get(name) is None else self.get(name, kind)

    def number(self, name: str) -> float:
        value = self._found.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LAST_SECOND:
            raise _Invalid(f"{INDEX}: {name} is not a time")
        return float(value)

    def objects(self, name: str) -> Iterator[_Fields]:
        values = self.get(name, list)
        if not isinstance(values, list) or len(values) > _MAX_ANSWERS:
            raise _Invalid(f"{INDEX}: {name} has more than {_MAX_ANSWERS} entries")
        return map(_Fields, values)

    def members(self, name: str, kind: type) -> Dict[str, object]:
        values = self.get(name, dict)
        if not isinstance(values, dict) or not all(isinstance(value, kind) for value in values.values()):
            raise _Invalid(f"{INDEX}: {name} has a value that is not of its type")
        return dict(values)


def _save(index: _Fields, descriptor: int) -> Save:
    fingerprint, uid = index.optional("fingerprint", str), index.optional("uid", int)
    return Save(
        as_of=index.number("as_of"),
        user=index.text("user"),
        fingerprint=None if fingerprint is None else str(fingerprint),
        uid=uid if isinstance(uid, int) else None,
        groups={name: value is True for name, value in index.members("groups", bool).items()},
        hardware={path: str(text) for path, text in index.members("hardware", str).items()},
        answers={entry.text("path"): _answer(entry, descriptor) for entry in index.objects("answers")},
    )


def _answer(entry: _Fields, descriptor: int) -> Answer:
    path, gave = entry.text("path"), entry.text("gave")
    if gave == "body":
        return Answer(_read(descriptor, _file_name(path), _BODY_LIMIT))
    if gave == "nothing":
        return Answer(None)
    reason = next((one for one in Reason if one.word == gave and one.outcome is Outcome.ERROR), None)
    if reason is None:
        raise _Invalid(f"{INDEX}: gave is neither body, nor nothing, nor the reason of an error")
    refusal = AnswerTooLong if entry.get("too_long", bool) else NotGranted
    return Answer(None, refusal(reason, entry.text("detail")))


def _entry(answer: Answer) -> Dict[str, object]:
    refusal = answer.refusal
    if refusal is None:
        return {"gave": "nothing" if answer.body is None else "body"}
    return {
        "gave": refusal.reason.word, "detail": refusal.detail, "too_long": isinstance(refusal, AnswerTooLong),
    }  # fmt: skip


def _file_name(path: str) -> str:
    """The file of the answer at `path`, in one folder with all others."""
    if not _PATH.fullmatch(path):
        raise _Invalid(f"{INDEX} has a path that eic-sshd does not read")
    return path.replace("/", ",")


def _read(folder: int, name: str, limit: int) -> bytes:
    """The file `name` in the open `folder`: no link, no device, at most `limit` bytes."""
    try:
        with os.fdopen(os.open(name, _OPEN, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _Invalid(f"{name} is not a plain file")
            content = file.read(limit + 1)
    except OSError as error:
        raise _Invalid(f"{name}: {_reason(error)}") from error
    if len(content) > limit:
        raise _Invalid(f"{name} is longer than {limit} bytes")
    return content


def _parse(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise _Invalid(f"{INDEX} is not JSON") from None


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
