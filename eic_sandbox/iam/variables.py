# SPDX-License-Identifier: Apache-2.0
"""Policy variables: `${key}`, `${key, 'default'}`, and `${*}`, `${?}`, `${$}` for these characters themselves.

IAM User Guide, "IAM policy elements: Variables and tags". The value of a variable is literal text: a `*` or `?` in it
is no wildcard, and a `${` in it no variable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Tuple, Union

from . import patterns
from .patterns import Pattern, Token, Wildcard, ascii_lower
from .request import Context

_VARIABLE = re.compile(r"\$\{(?:(?P<special>[*?$])|(?P<key>[^{}',]+)(?:, ?'(?P<default>[^']*)')?)\}")
# The service of a key is a host name, with a path or not, for those of an identity provider (OpenID Connect).
_KEY = re.compile(r"[A-Za-z0-9-][A-Za-z0-9._/-]*:[^\s\x00-\x1f\x7f*?$](?:[^\x00-\x1f\x7f*?$]*[^\s\x00-\x1f\x7f*?$])?")
_MAX_KEY = 256
"""Characters. IAM's longest is `aws:RequestTag/` and a tag's key of 128 characters."""


MAX_EXPANDED = 65_536
"""Characters of a value of a policy with its variables. No value of a request is as long."""


class MalformedVariable(ValueError):
    """A `${` does not begin a policy variable."""


class Unresolved(Exception):
    """The request has no single value for a variable without a default, or the value is too long."""


def is_key(text: str) -> bool:
    """Whether `text` can be a condition key: SERVICE:NAME."""
    return len(text) <= _MAX_KEY and _KEY.fullmatch(text) is not None


@dataclass(frozen=True)
class Variable:
    """A variable; `key` as the policy spells it."""

    key: str
    default: Optional[str]

    def value(self, context: Context) -> str:
        """The value in this context.

        A key with several values cannot be a variable ("Single-valued vs. multivalued context keys"), and the default
        replaces only an absent one. Raises Unresolved.
        """
        values = context.get(ascii_lower(self.key), ())
        if len(values) == 1:
            return values[0]
        if values or self.default is None:
            raise Unresolved(self.key)
        return self.default


Part = Union[Token, Variable]


@dataclass(frozen=True)
class Template:
    """Text of a policy with its wildcards and variables."""

    parts: Tuple[Part, ...]

    @property
    def variables(self) -> Tuple[Variable, ...]:
        """The variables, in the order of the text."""
        return tuple(part for part in self.parts if isinstance(part, Variable))

    def expand(self, context: Context) -> Pattern:
        """The pattern with the values of the variables. Raises Unresolved."""
        tokens: List[Token] = []
        for part in self.parts:
            if isinstance(part, Variable):
                tokens.extend(part.value(context))
            else:
                tokens.append(part)
            if len(tokens) > MAX_EXPANDED:
                raise Unresolved("longer than any value of a request")
        return tuple(tokens)


def parse(text: str, wildcards: bool, variables: bool) -> Template:
    """The template in `text`; without `variables`, a `${` is literal text. Raises MalformedVariable."""
    parts: List[Part] = []
    position = 0
    while position < len(text):
        if variables and text.startswith("${", position):
            found = _VARIABLE.match(text, position)
            if found is None:
                raise MalformedVariable(text[position:])
            parts.append(_variable(found))
            position = found.end()
        else:
            character = text[position]
            parts.append(Wildcard(character) if wildcards and character in "*?" else character)
            position += 1
    return Template(tuple(parts))


def _variable(found: re.Match[str]) -> Part:
    if found["special"]:
        return patterns.literal(found["special"])[0]
    if not is_key(found["key"]):
        raise MalformedVariable(found[0])
    return Variable(found["key"], found["default"])
