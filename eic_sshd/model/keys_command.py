# SPDX-License-Identifier: Apache-2.0
"""An AuthorizedKeysCommand as sshd reads it (sshd_config(5)): a program, its arguments, and the tokens in them."""

from __future__ import annotations

import re
from typing import FrozenSet, List, Mapping, Sequence, Tuple

# sshd_config(5), TOKENS: those that AuthorizedKeysCommand accepts (C and D since OpenSSH 9.4).
TOKENS = frozenset("CDUfhktu")
# The ones whose values a helper of its own can find out; all others only sshd knows.
_OURS = frozenset("fu")


def split(text: str) -> Tuple[str, ...]:
    """The program and its arguments; without arguments it gets the user's name, as sshd does it.

    Raises:
        ValueError: if sshd would not run it, or might split it in another way.
    """
    import shlex  # imported late: most sites have no such command

    if "\\" in text or re.search(r"[\0-\x08\x0a-\x1f\x7f]", text):
        raise ValueError("a backslash or a control character in it could be read in two ways: put it into a script")
    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError("a quote in it is not closed") from None
    if not words or not words[0].startswith("/"):
        raise ValueError("it takes the absolute path of a program, and its arguments")
    for word in words[1:]:
        for letter in re.findall("%(.?)", word):
            if letter != "%" and letter not in TOKENS:
                raise ValueError(f"%{letter} is none of sshd's tokens for AuthorizedKeysCommand")
    return tuple(words) if len(words) > 1 else (words[0], "%u")


def only_sshd_knows(words: Sequence[str]) -> FrozenSet[str]:
    """The tokens in `words` whose values must come from sshd."""
    used = {token for word in words[1:] for token in re.findall("%(.)", word)}
    return frozenset(used & TOKENS - _OURS)


def expand(words: Sequence[str], values: Mapping[str, str]) -> List[str]:
    """`words` with each token's value in its place. Raises KeyError, naming the token, where there is none."""
    values = {**values, "%": "%"}
    return [words[0], *(re.sub("%(.)", lambda token: values[token.group(1)], word) for word in words[1:])]
