# SPDX-License-Identifier: Apache-2.0
"""Amazon Resource Names: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`, and patterns of them.

IAM User Guide, "Identify AWS resources with Amazon Resource Names (ARNs)".
"""

from __future__ import annotations

import re
from typing import List, Tuple

from . import patterns
from .patterns import Pattern, Token

FIELDS = 6

_PARTITION = re.compile(r"[A-Za-z0-9*?-]+")
_SERVICE = re.compile(r"[A-Za-z0-9-]+")
_REGION_OR_ACCOUNT = re.compile(r"[A-Za-z0-9*?-]*")
_ACCOUNT = re.compile(r"[0-9]{12}")


class MalformedArn(ValueError):
    """The text is not an ARN, or not a pattern of one."""


def split(text: str) -> Tuple[str, ...]:
    """The six fields; the last may contain colons. Raises MalformedArn."""
    fields = tuple(text.split(":", FIELDS - 1))
    if len(fields) < FIELDS:
        raise MalformedArn(f"{len(fields)} of the {FIELDS} fields of an ARN")
    if fields[0] != "arn":
        raise MalformedArn("not an ARN")
    return fields


def is_account(text: str) -> bool:
    """Whether `text` is the id of an account: 12 digits."""
    return _ACCOUNT.fullmatch(text) is not None


def account(text: str) -> str:
    """The account of an ARN. Raises MalformedArn."""
    return split(text)[4]


def check_resource(text: str) -> None:
    """Raises MalformedArn unless `text`, with its wildcards and variables, can be in a Resource element.

    IAM User Guide, "IAM JSON policy elements: Resource": no wildcard in the service; "Variables and tags": variables
    only after the fifth colon. IAM Access Analyzer reports an ARN with fewer than six fields; here it is an error.
    """
    if "${" in ":".join(text.split(":", FIELDS - 1)[: FIELDS - 1]):
        raise MalformedArn("a variable before the fifth colon")
    _, partition, service, region, owner, resource = split(text)
    if not _PARTITION.fullmatch(partition):
        raise MalformedArn("a malformed partition")
    if not _SERVICE.fullmatch(service):
        raise MalformedArn("a malformed service, or a wildcard in it")
    if not (_REGION_OR_ACCOUNT.fullmatch(region) and _REGION_OR_ACCOUNT.fullmatch(owner)):
        raise MalformedArn("a malformed Region or account")
    if not resource:
        raise MalformedArn("no resource after the fifth colon")


def matches_by_field(pattern: Pattern, text: str) -> bool:
    """Whether each of the six fields matches, as the ARN operators compare. Raises MalformedArn for either."""
    fields = _split_pattern(pattern)
    return all(map(patterns.matches, fields, split(text)))


def _split_pattern(pattern: Pattern) -> List[Pattern]:
    fields: List[List[Token]] = [[]]
    for token in pattern:
        if token == ":" and len(fields) < FIELDS:
            fields.append([])
        else:
            fields[-1].append(token)
    if len(fields) < FIELDS:
        raise MalformedArn(f"{len(fields)} of the {FIELDS} fields of an ARN")
    return [tuple(field) for field in fields]
