# SPDX-License-Identifier: Apache-2.0
"""Matching of wildcards: `*` is any run of characters, also an empty one; `?` is exactly one character.

IAM User Guide, "IAM JSON policy elements: Resource" and "Condition operators". There are no character classes, and no
escape but the policy variables `${*}`, `${?}` and `${$}`.
"""

from __future__ import annotations

from enum import Enum
from typing import Dict, Sequence, Tuple, Union


class Wildcard(Enum):
    """A wildcard, as distinct from the same character as literal text."""

    RUN = "*"
    ONE = "?"


Token = Union[str, Wildcard]
"""One literal character, or a wildcard."""

Pattern = Tuple[Token, ...]


def literal(text: str) -> Pattern:
    """The pattern that only `text` matches."""
    return tuple(text)


def wild(text: str) -> Pattern:
    """The pattern that `text` is when each `*` and `?` in it is a wildcard."""
    return tuple(Wildcard(character) if character in "*?" else character for character in text)


def matches(pattern: Sequence[Token], text: str) -> bool:
    """Whether the whole of `text` matches; case-sensitive.

    One pass over the text, without backtracking. Bit i of `reached` means that the first i tokens (without runs) match
    the text so far. So the cost is len(text) operations on integers of at most len(text) bits, for any pattern.
    """
    if sum(token is not Wildcard.RUN for token in pattern) > len(text):
        return False
    masks: Dict[str, int] = {}
    any_character = 0
    runs = 0
    bit = 1
    for token in pattern:
        if token is Wildcard.RUN:
            runs |= bit
            continue
        if isinstance(token, str):
            masks[token] = masks.get(token, 0) | bit
        else:
            any_character |= bit
        bit <<= 1
    reached = 1
    for character in text:
        reached = ((reached & (masks.get(character, 0) | any_character)) << 1) | (reached & runs)
        if not reached:
            return False
    return bool(reached & bit)


_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def ascii_lower(text: str) -> str:
    """`text` with A to Z in lower case.

    Actions and condition keys compare by it. `str.lower` would make other letters equal to ASCII ones (KELVIN SIGN).
    """
    return text.translate(_ASCII_LOWER)


def fold_case(text: str) -> str:
    """`text` for the IgnoreCase operators: each character by its simple mapping, so that the length never changes."""
    return "".join(_simple(character) for character in text)


def _simple(character: str) -> str:
    for mapped in (character.upper(), character.upper().lower()):
        if len(mapped) == 1:
            character = mapped
    return character
