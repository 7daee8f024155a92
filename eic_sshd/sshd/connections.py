# SPDX-License-Identifier: Apache-2.0
"""Connections for `sshd -T -C` (sshd(8)): an ordinary one, and one that fulfils a Match line."""

from __future__ import annotations

import ipaddress
import re
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple


class Connection(NamedTuple):
    """Every attribute of a connection that a Match line can test; sshd exits where one of these is not given.

    Hardly any Match line matches the defaults: our own account, and addresses reserved for documentation (RFC 5737).
    """

    user: str = "eic-sshd"
    host: str = "192.0.2.1"
    addr: str = "192.0.2.1"
    laddr: str = "192.0.2.2"
    lport: str = "1"
    rdomain: str = ""

    def options(self, without: Sequence[str] = ()) -> List[str]:
        """The arguments for sshd. One -C for each, so that a value may contain a blank."""
        given = [f"{name}={value}" for name, value in self._asdict().items() if name not in without]
        return [word for one in given for word in ("-C", one)]


ORDINARY = Connection()

# sshd_config(5), Match: the attributes that take a pattern, and their names for -C. All others are ignored.
_ATTRIBUTES = {
    "user": "user", "group": "user", "host": "host", "address": "addr", "localaddress": "laddr",
    "localport": "lport", "rdomain": "rdomain",
}  # fmt: skip
_WITHOUT_ARGUMENT = ("all", "invalid-user")
_FILLERS = ("x", "", "1", "1.1", "1.1.1", "1.1.1.1", "::1", "1::1")


def criteria_of(match: str) -> List[Tuple[str, str]]:
    """(attribute in lower case, its argument) of the Match line's value."""
    words = [word.strip('"') for word in re.findall(r'(?:"[^"]*"|[^\s"=])+', without_comment(match))]
    found = []
    while words:
        attribute = words.pop(0).lower()
        found.append((attribute, "" if attribute in _WITHOUT_ARGUMENT or not words else words.pop(0)))
    return found


def without_comment(match: str) -> str:
    """The condition of a Match line: sshd ignores what follows a `#` at the start of a word."""
    return re.sub(r"(?:^|\s)#.*", "", match)


def is_all(match: str) -> bool:
    """Whether the Match line is `Match all`."""
    return [attribute for attribute, _ in criteria_of(match)] == ["all"]


def fulfilling(match: str, etc: str = "/etc") -> Connection:
    """A connection that the Match line matches, as far as one can be found; groups are looked up in `etc` only."""
    connection = ORDINARY
    for attribute, patterns in criteria_of(match):
        name = _ATTRIBUTES.get(attribute)
        value = _value(attribute, patterns, getattr(connection, name), etc) if name else None
        if name and value is not None:
            connection = connection._replace(**{name: value})
    return connection


def _value(attribute: str, patterns: str, usual: str, etc: str) -> Optional[str]:
    if attribute == "group":
        return next((user for group, user in _members(etc) if _matches(group, patterns, is_pattern_match)), None)
    if attribute in ("address", "localaddress"):
        return next((one for one in _candidates(patterns, usual) if _matches(one, patterns, is_in_network)), None)
    return next((one for one in _candidates(patterns, usual) if _matches(one, patterns, is_pattern_match)), None)


def _candidates(patterns: str, usual: str) -> Iterator[str]:
    yield usual
    for pattern in (pattern for pattern in patterns.split(",") if pattern and not pattern.startswith("!")):
        for filler in _FILLERS:
            yield pattern.partition("/")[0].replace("*", filler).replace("?", filler[:1] or "x")


def _matches(value: str, patterns: str, is_like: Callable[[str, str], bool]) -> bool:
    """ssh_config(5), PATTERNS: a negated pattern that matches takes precedence over all others."""
    listed = patterns.split(",")
    if any(is_like(value, pattern[1:]) for pattern in listed if pattern.startswith("!")):
        return False
    return any(is_like(value, pattern) for pattern in listed if not pattern.startswith("!"))


def is_pattern_match(value: str, pattern: str) -> bool:
    """Whether `value` matches one pattern of ssh_config(5), with `*` and `?`."""
    wild = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(wild, value, re.DOTALL) is not None


def is_in_network(address: str, pattern: str) -> bool:
    """Whether `address` is in the network ADDRESS/BITS, or matches a pattern of addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    try:
        return parsed in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return is_pattern_match(address, pattern)


def _members(etc: str) -> Iterator[Tuple[str, str]]:
    """(group, user) of each member of a group in these files: no directory service is queried."""
    groups = _fields(f"{etc}/group", 4)
    names = {group[2]: group[0] for group in groups}
    for group in groups:
        yield from ((group[0], user) for user in group[3].split(",") if user)
    for user in _fields(f"{etc}/passwd", 7):
        if user[3] in names:
            yield names[user[3]], user[0]


def _fields(path: str, number: int) -> List[List[str]]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.rstrip("\n").split(":") for line in file]
    except OSError:
        return []
    return [row for row in rows if len(row) == number]
