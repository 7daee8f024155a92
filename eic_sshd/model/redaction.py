# SPDX-License-Identifier: Apache-2.0
"""Text without what names people, accounts, machines and keys, for reports that others read.

Two nets: values that the caller knows by what they are (`know`, and members by their names) are replaced as a whole,
however they look and wherever a text has them; patterns find the others. Where several of these overlap, all of it is
replaced. Each value becomes a mark with a number, the same one wherever the value is.
"""

from __future__ import annotations

import bisect
import ipaddress
import re
from typing import Dict, Iterator, List, NamedTuple, Optional

# No digit before it, unless that ends an escape: \x1b10.0.0.1 is an address after a control character.
_NO_DIGIT = r"(?:(?<![0-9])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})|(?<=\\U[0-9a-f]{8}))"
# Certificate::verify has no address, but x2001:db8:: has one.
_NO_WORD = r"(?:(?<![0-9A-Za-z])|(?=[A-Fa-f:]{0,40}[0-9]))"
_V4 = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_H = r"[0-9A-Fa-f]{1,4}"  # a group of an IPv6 address (RFC 4291 section 2.2)
_KINDS = (
    # An IAM path has any visible ASCII character; what ends a sentence or a quotation is not part of the ARN.
    ("arn", r"arn:[a-z0-9*?-]*:\S*[^\s\"'`,;:.()]"),
    ("key", r"AAAA[A-Za-z0-9+/]{16,}={0,2}"),
    ("fingerprint", r"SHA(?:1|256|384|512):[A-Za-z0-9+/]+={0,2}|(?:MD5:)?(?:[0-9A-Fa-f]{2}:){15}[0-9A-Fa-f]{2}"),
    ("request", r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    ("instance", r"[Ii]-[0-9A-Fa-f]{8,32}"),
    # Not within the name of a staple, which is a SHA-1 in hexadecimal.
    ("account", rf"(?<![0-9A-Za-z])[0-9A-F]{{40}}(?![0-9A-Za-z])|(?P<value>{_NO_DIGIT}[0-9]{{12}}(?![0-9]))"),
    ("account", rf"{_NO_DIGIT}(?<![0-9]-)[0-9]{{4}}-[0-9]{{4}}-[0-9]{{4}}(?![0-9]|-[0-9])"),
    # Not within the number of an object (OID), which has more parts.
    ("address", rf"(?<![0-9]\.){_V4}(?![0-9])(?!\.[0-9]+\.)"),
    ("address", r"(?:ip|ec2)(?:-[0-9]{1,3}){4}(?![0-9])"),  # as names of EC2's machines have it
    ("address", rf"(?:{_H}:){{7}}{_H}|(?:{_H}:){{6}}{_V4}"),
    ("address", rf"{_NO_WORD}(?:{_H}(?::{_H}){{0,6}})?:{{2,}}(?:[0-9A-Fa-f:.]{{0,45}}[0-9A-Fa-f])?"),
    # What is left of any of these where a text was shortened.
    ("part", r"[A-Fa-f:-]{0,45}[0-9][0-9A-Fa-f:.-]{0,45}(?=\.\.\.)"),
)
# IMDS's own addresses, and those of this machine to itself, are the same everywhere; so are these users.
_KNOWN_ADDRESSES = frozenset({"169.254.169.254", "fd00:ec2::254", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104
_KNOWN_USERS = frozenset({"root", "eic-sshd"})
_KIND_OF_MEMBER = {
    "caller": "caller", "callers": "caller", "request_id": "request", "instance_id": "instance",
    "fingerprint": "fingerprint", "user": "user", "decided_as": "user",
}  # fmt: skip
# Members whose values are words and sentences of our own.
_OUR_WORDS = frozenset(
    {"as_of", "decision", "expires", "meaning", "name", "reason", "remedy", "result", "state", "step"}
)
_PART = 32  # characters: a shortened value in a message is longer
_SHORT = 12  # characters: a shorter value may be part of a longer word
_KEY = 4  # characters: by as many of their first ones known values are looked up


class _Known(NamedTuple):
    """One spelling of a value that is known: as it is, or as texts escape it."""

    spelling: str
    kind: str
    value: str


class _Span(NamedTuple):
    """What is to be replaced in a text: its place, and the value that it spells."""

    start: int
    end: int
    kind: str
    value: str


class Redaction:
    """Replaces ARNs, AWS accounts, keys, fingerprints, request ids, instance ids, addresses, and what `know` named.

    The users root and eic-sshd, which are on every such machine, stay.
    """

    def __init__(self, user: Optional[str] = None) -> None:
        self._marks: Dict[str, str] = {}
        self._numbers: Dict[str, int] = {}
        self._known: Dict[str, List[_Known]] = {}
        self._values: Dict[str, str] = {}
        self._kinds = [(kind, re.compile(pattern)) for kind, pattern in _KINDS]
        self.know("user", user)

    def know(self, kind: str, *values: Optional[str]) -> None:
        """Replace `values`, and longer parts that they begin with, in all texts; without a value, do nothing.

        `kind` is caller, request, instance, fingerprint or user.
        """
        for value in values:
            if not value or value in self._values or (kind == "user" and value in _KNOWN_USERS):
                continue
            for spelling in _spellings(value):
                self._values.setdefault(spelling, value)
                bisect.insort(self._known.setdefault(spelling[:_KEY], []), _Known(spelling, _kind(kind, value), value))

    def text(self, text: str) -> str:
        """`text`, redacted."""
        made, end = [], 0
        for span in _united([*self._known_in(text), *self._found_in(text)], text):
            made += [text[end : span.start], self._mark(span.kind, span.value)]
            end = span.end
        return "".join([*made, text[end:]])

    def value(self, value: object, member: str = "") -> object:
        """`value` (of the member `member`), of the types of JSON, redacted; the names of members stay."""
        if isinstance(value, str):
            if member in _OUR_WORDS:
                return value
            kind = _KIND_OF_MEMBER.get(member)
            return self.text(value) if kind is None else self._whole(kind, value)
        if isinstance(value, list):
            return [self.value(one, member) for one in value]
        if isinstance(value, dict):
            return {name: self.value(one, name) for name, one in value.items()}
        return value

    def _whole(self, kind: str, text: str) -> str:
        """The mark of all of `text`, whatever it looks like."""
        if not text or (kind == "user" and text in _KNOWN_USERS):
            return text
        known = self._values.get(text)
        if known is None and text.endswith("...") and len(text) > _PART:
            known = next((value for spelling, value in self._values.items() if spelling.startswith(text[:-3])), None)
        return self._mark(_kind(kind, text), known or text)

    def _known_in(self, text: str) -> Iterator[_Span]:
        """Known values in `text`, and parts that they begin with."""
        lengths = {len(key) for key in self._known}
        for start in range(len(text)):
            for length in lengths:
                among = self._known.get(text[start : start + length])
                if among is not None:
                    yield from _spans_at(start, text, among)

    def _found_in(self, text: str) -> Iterator[_Span]:
        """What the patterns find in `text`."""
        for kind, pattern in self._kinds:
            name = "value" if pattern.groups else 0
            for found in pattern.finditer(text):
                value = found.group(name)
                if value and not (kind == "address" and _is_everywhere(value)):
                    yield _Span(*found.span(name), kind, value)

    def _mark(self, kind: str, value: str) -> str:
        value = _canonical(kind, value)
        if value not in self._marks:
            self._numbers[kind] = self._numbers.get(kind, 0) + 1
            self._marks[value] = f"<{kind}-{self._numbers[kind]}>"
        return self._marks[value]


def _kind(kind: str, value: str) -> str:
    return "arn" if kind == "caller" and value.startswith("arn:") else kind


def _spellings(value: str) -> List[str]:
    """The value as it is, as log.record.clean writes it, and as `repr` writes it with either quotation mark."""
    clean = "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in value
    )
    quoted = repr(value)[1:-1]
    return list(dict.fromkeys([value, clean, quoted, quoted.replace("\\'", "'")]))


def _spans_at(start: int, text: str, among: List[_Known]) -> Iterator[_Span]:
    """Those of the sorted known values that `text` has from `start` on, whole or in part."""
    for known in among:
        if text.startswith(known.spelling, start):
            end = start + len(known.spelling)
            if _is_whole_word(known, text[:start][-1:], text[end:][:1]):
                yield _Span(start, end, known.kind, known.value)
    # Of sorted texts, those beside another one have the most in common with it.
    place = bisect.bisect_left(among, _Known(text[start:], "", ""))
    for known in among[max(place - 1, 0) : place + 1]:
        end = start + _length_in_common(known.spelling, text, start)
        if end - start >= _PART:
            yield _Span(start, end, known.kind, known.value)


def _length_in_common(spelling: str, text: str, start: int) -> int:
    """How many characters from `start` on are those that `spelling` begins with."""
    pairs = zip(spelling, text[start : start + len(spelling)])
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(spelling), len(text) - start))


def _is_whole_word(known: _Known, before: str, after: str) -> bool:
    """Whether what is between these two characters can be the value, and not a part of another word."""
    if known.kind == "user":
        return not any(char.isalnum() or char in ("_", "-") for char in before + after)
    return len(known.spelling) >= _SHORT or not (before + after).isalnum()


def _united(spans: List[_Span], text: str) -> Iterator[_Span]:
    """The spans in their order; those that overlap as one, of the value of the one that has all of it."""
    united: List[_Span] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        last = united[-1] if united else None
        if last is None or span.start >= last.end:
            united.append(span)
        elif span.end > last.end:
            longest = max(last, span, key=lambda one: one.end - one.start)
            united[-1] = _Span(last.start, span.end, longest.kind, text[last.start : span.end])
    return iter(united)


def _is_everywhere(address: str) -> bool:
    """Whether the address names no machine; colons alone do not."""
    return not address.strip(":") or _canonical("address", address) in _KNOWN_ADDRESSES


def _canonical(kind: str, value: str) -> str:
    """One spelling for all that mean the same."""
    if kind == "address":
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            return value
    if kind == "account":
        return value.replace("-", "")
    return value.lower() if kind in ("request", "instance") else value
