# SPDX-License-Identifier: Apache-2.0
"""The kinds of values in eic-sshd.conf: functions from a text to a value.

Each raises ValueError with a sentence that says what to write, without the full stop.
"""

from __future__ import annotations

import re
from typing import Callable, FrozenSet, List, Optional, Tuple, TypeVar
from urllib.parse import urlsplit

from ..model import keys_command, partition
from ..model import os_users as os_user_lists
from ..model.os_users import OsUsers
from ..model.outcome import DEBUG, ERR, INFO, NOTICE, WARNING
from ..model.public_key import SUPPORTED_TYPES
from ..paths import CLIENT_COMMAND

LEVELS = {"err": ERR, "warning": WARNING, "notice": NOTICE, "info": INFO, "debug": DEBUG}

_Item = TypeVar("_Item")


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"Use a whole number from {low} to {high}")
        return int(text)

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """Numbers from `low` to `high`, with or without decimals."""

    def parse(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not low <= float(text) <= high:
            raise ValueError(f"Use a number from {low:g} to {high:g}")
        return float(text)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"Use one of: {', '.join(words)}")
        return text

    return parse


def blank_separated(item: Callable[[str], _Item]) -> Callable[[str], Tuple[_Item, ...]]:
    """Words between blanks and line ends, each once, in order; none for an empty text. `item` parses one word."""

    def parse(text: str) -> Tuple[_Item, ...]:
        return tuple(dict.fromkeys(_parse_word(word) for word in words(text)))

    def _parse_word(word: str) -> _Item:
        try:
            return item(word)
        except ValueError as error:
            raise ValueError(f"{error}, in place of {word[:64]}") from None

    return parse


def words(text: str) -> List[str]:
    """Words between blanks and line ends; one with blanks is written between double quotes."""
    found = []
    rest = text.strip()
    while rest:
        match = re.match(r'(?:"(?P<quoted>[^"]+)"|(?P<plain>[^"\s]+))(?:\s+|$)', rest)
        if match is None:
            raise ValueError("Put double quotes around a whole word, or around none")
        found.append(match.group("quoted") or match.group("plain"))
        rest = rest[match.end() :]
    return found


def os_users(text: str) -> OsUsers:
    """A list of OS users: names, names with wildcards, and @groups, separated by blanks."""
    return os_user_lists.of(words(text))


def yes_no(text: str) -> bool:
    """True for yes, true and on; False for no, false and off."""
    answer = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}.get(text.lower())
    if answer is None:
        raise ValueError("Use yes or no")
    return answer


def http_endpoint(text: str) -> str:
    """http://ADDRESS[:PORT] without a path."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme == "http" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("Use http://ADDRESS or http://ADDRESS:PORT, with an IPv6 address in brackets")
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", parts.netloc):
        raise ValueError("Use only letters, digits, and the characters . : [ ] - in the address")
    return f"http://{parts.netloc}"


def key_types(text: str) -> FrozenSet[str]:
    """One or more of SUPPORTED_TYPES, separated by blanks or commas."""
    types = text.replace(",", " ").split()
    unknown = [name for name in types if name not in SUPPORTED_TYPES]
    if unknown or not types:
        instead = f", in place of {unknown[0][:64]}" if unknown else ""
        raise ValueError(f"Use one or more of: {' '.join(SUPPORTED_TYPES)}{instead}")
    return frozenset(types)


def region(text: str) -> str:
    """The name of an AWS region."""
    if not re.fullmatch(partition.REGION, text):
        raise ValueError("Use the name of a region, such as us-east-1")
    return text


def path(text: str) -> Optional[str]:
    """An absolute path; None for an empty text."""
    if text and (not text.startswith("/") or "\0" in text):
        raise ValueError("Use an absolute path")
    return text or None


def path_of_user(text: str) -> Optional[str]:
    """An absolute path with the tokens %u, the user, and %%; None for an empty text."""
    found = path(text)
    if found is not None and "%u" not in found:
        raise ValueError("Use an absolute path with %u in place of the user")
    if found is not None and "%" in found.replace("%u", "").replace("%%", ""):
        raise ValueError("Use no other tokens than %u (the user) and %% (a percent sign)")
    return found


def command(text: str) -> Optional[str]:
    """An AuthorizedKeysCommand that is not eic-sshd; None for an empty text."""
    if text and keys_command.split(text)[0] == CLIENT_COMMAND:
        raise ValueError("Use another program than eic-sshd")
    return text or None


def log_destination(text: str) -> str:
    """A word for a log of the system, or the absolute path of a file."""
    if text not in ("journal", "syslog", "stderr") and not (text.startswith("/") and not text.endswith("/")):
        raise ValueError("Use journal, syslog, stderr or the absolute path of a file")
    return text


def log_level(text: str) -> int:
    """A severity of syslog(3)."""
    return LEVELS[one_of(*LEVELS)(text)]
