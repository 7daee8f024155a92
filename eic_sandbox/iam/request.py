# SPDX-License-Identifier: Apache-2.0
"""What is decided: who calls which action on which resource, under which circumstances."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Dict, Mapping, Optional, Sequence, Tuple, Union

from .patterns import ascii_lower

Context = Mapping[str, Tuple[str, ...]]
"""Condition keys in lower case, with their values. A key that is missing or has no value is absent."""


def context(values: Mapping[str, Union[str, Sequence[str]]]) -> Context:
    """The context with these keys and values.

    Keys are case-insensitive (IAM User Guide, "IAM JSON policy elements: Condition"). Keys that differ in case only,
    as two tags of an EC2 resource may, become one key with the values of both.
    """
    merged: Dict[str, Tuple[str, ...]] = {}
    for key, value in values.items():
        given = (value,) if isinstance(value, str) else tuple(value)
        if not all(isinstance(one, str) for one in given):
            raise TypeError(f"{key}: a value is not a string ({given!r})")
        if given:
            folded = ascii_lower(key)
            merged[folded] = merged.get(folded, ()) + given
    return MappingProxyType(merged)


@dataclass(frozen=True)
class Request:
    """One request. `resource` is an ARN, or `*` for an action without resource-level permissions."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A key in another case must not count as absent: negated operators hold for absent keys.
        object.__setattr__(self, "context", context(self.context))


@dataclass(frozen=True)
class Principal:
    """Who makes a request: its ARN, its account, and for the session of an assumed role also the ARN of the role."""

    arn: str
    account: str
    role_arn: Optional[str] = None
