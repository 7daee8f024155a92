# SPDX-License-Identifier: Apache-2.0
"""Lists of OS users in [users] and [policy]: names, names with wildcards, and @groups."""

from __future__ import annotations

import re
from typing import Callable, FrozenSet, Iterable, Sequence, Tuple

from .caller_pattern import wildcard_matches
from .value import Value

# More than any name of a user or group has: useradd(8) and groupadd(8) allow 32, directories more.
_MAX_LENGTH = 256
# passwd(5) and directories allow none of these in a name: a word with one is a mistake, such as a second setting on the
# same line, a comma between two names, or a comment.
_NEVER_IN_A_NAME = r"[]\[=,:;|<>\"/]|^@?#|\$\{"


class OsUsers(Value):
    """A list of OS users. `groups` are without their @."""

    names: Tuple[str, ...] = ()
    wildcards: Tuple[str, ...] = ()
    groups: Tuple[str, ...] = ()

    def is_named(self, user: str) -> bool:
        """Whether `user` is in the list by its whole name."""
        return user in self.names

    def is_matched(self, user: str) -> bool:
        """Whether `user` is in the list by its whole name, or by a wildcard."""
        return user in self.names or any(wildcard_matches(wildcard, user) for wildcard in self.wildcards)

    def __bool__(self) -> bool:
        """Whether the list has an entry."""
        return bool(self.names or self.wildcards or self.groups)

    def __str__(self) -> str:
        words = (*self.names, *self.wildcards, *(f"@{group}" for group in self.groups))
        return " ".join(f'"{word}"' if re.search(r"\s", word) else word for word in words)


class Memberships(Value):
    """Of the groups that were asked for: those that a user is in, and those that could not be looked up."""

    member: FrozenSet[str] = frozenset()
    unknown: FrozenSet[str] = frozenset()


GroupsOf = Callable[[str, Sequence[str]], Memberships]
"""Looks up which of these groups a user is in; raises nothing."""


def of(words: Iterable[str]) -> OsUsers:
    """The list of these words. Raises ValueError with a sentence that says what to write."""
    found = list(dict.fromkeys(words))
    for word in found:
        if not word.lstrip("@") or len(word) > _MAX_LENGTH or not word.isprintable():
            raise ValueError(f"Use names of users, and @NAME for groups, in place of {word[:64]!r}")
        if re.search(_NEVER_IN_A_NAME, word):
            form = "Separate names by blanks, and put each setting and each comment on a line of its own"
            raise ValueError(f"{form}, in place of {word[:64]!r}")
        if word.startswith("@") and re.search("[*?]", word):
            raise ValueError(f"Use the whole name of a group, in place of {word[:64]!r}")
    groups = tuple(word[1:] for word in found if word.startswith("@"))
    users = [word for word in found if not word.startswith("@")]
    return OsUsers(
        tuple(word for word in users if not re.search("[*?]", word)),
        tuple(word for word in users if re.search("[*?]", word)),
        groups,
    )
