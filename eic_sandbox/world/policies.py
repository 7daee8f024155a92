# SPDX-License-Identifier: Apache-2.0
"""The policies of a world file: written in it, or in JSON files below its folder."""

from __future__ import annotations

import json
import os
import stat
from typing import Callable, Dict, NoReturn, Optional, Tuple

from ..iam.document import Json
from ..iam.policy import Policy, PolicyError
from .document import Value, WorldError, parse

MAX_FILE = 64 * 1024  # bytes

Parser = Callable[[object, str], Policy]


class Policies:
    """Reads policies; `folder` is that of the world file, and a file outside of it is an error."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.realpath(folder)
        self._read: Dict[str, Tuple[Value, Json]] = {}  # by path

    def policy(self, value: Value, name: str, parser: Parser) -> Policy:
        """The policy that `value` is, or that it names by `file: NAME`. Raises WorldError."""
        file = _named_file(value)
        place, document = (value, value.plain()) if file is None else self._from_file(file)
        try:
            return parser(document, name)
        except PolicyError as error:
            place.fail(error.problem, error.remedy, error.path)

    def _from_file(self, value: Value) -> Tuple[Value, Json]:
        """The document in a file, and its values with their places."""
        path = os.path.realpath(os.path.join(self._folder, value.text()))
        if os.path.commonpath([path, self._folder]) != self._folder:
            value.fail("a file outside the folder of the world file", "Move it to that folder, or below.")
        if path not in self._read:
            try:
                content = _content(path)
            except OSError as error:
                value.fail(f"cannot be read ({error.strerror})", "Name a file that has a policy.")
            if len(content) > MAX_FILE:
                value.fail(f"the file has over {MAX_FILE} bytes", "Use a shorter policy.")
            shown = os.path.join(os.path.dirname(value.file), value.text())
            document = _json(content, shown)
            places = parse(content, shown)
            places.plain()  # a member that is there twice is an error
            self._read[path] = places, document
        return self._read[path]


def _named_file(value: Value) -> Optional[Value]:
    if not value.is_mapping():
        return None
    entries = dict(value.entries())
    return entries["file"] if list(entries) == ["file"] else None


def _content(path: str) -> bytes:
    """At most one byte more than allowed. Raises OSError, also for what is no file: a pipe may never have an end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file")
        return file.read(MAX_FILE + 1)


def _json(content: bytes, name: str) -> Json:
    def no_constant(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        document: Json = json.loads(content.decode("utf-8-sig"), parse_constant=no_constant)
        return document
    except json.JSONDecodeError as error:
        raise WorldError(f"{name}:{error.lineno}: not JSON ({error.msg}). Correct the line.") from None
    except UnicodeDecodeError as error:
        raise WorldError(f"{name}: not UTF-8 (byte 0x{content[error.start]:02x}). Save the file as UTF-8.") from None
    except RecursionError:
        raise WorldError(f"{name}: not JSON (nested too deeply). Use fewer levels.") from None
    except ValueError as error:  # a number that JSON does not have, or too large
        raise WorldError(f"{name}: not JSON ({str(error)[:64]}). Use a smaller number.") from None
