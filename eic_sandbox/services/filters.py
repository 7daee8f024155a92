# SPDX-License-Identifier: Apache-2.0
"""Filters and pages of EC2's Describe operations.

Source: EC2 API Reference, "Filter" and "Pagination": the values of a filter are alternatives, all filters must match,
and `*` and `?` are wildcards.
"""

from __future__ import annotations

import base64
import fnmatch
import re
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

from .errors import ServiceError
from .query_protocol import Query

Item = TypeVar("Item")
Values = Callable[[Item], Sequence[str]]
"""The values of an item that a filter is compared with."""

_MAX_FILTERS, _MAX_VALUES = 50, 200


def matching(
    query: Query,
    items: Sequence[Item],
    fields: Mapping[str, Values[Item]],
    tags: Callable[[Item], Mapping[str, str]],
) -> List[Item]:
    """The items that the request's filters match. Raises ServiceError for a filter that `fields` does not have."""
    tests: List[Tuple[Values[Item], List[re.Pattern[str]]]] = []
    for prefix in query.structures("Filter"):
        name = query.text(f"{prefix}.Name")
        values = query.texts(f"{prefix}.Value")
        if len(tests) >= _MAX_FILTERS or len(values) > _MAX_VALUES:
            raise ServiceError("FilterLimitExceeded", f"A request has at most {_MAX_FILTERS} filters")
        tests.append((_values_of(name, fields, tags), [_pattern(value) for value in values]))
    return [item for item in items if all(_matches(item, *test) for test in tests)]


def _matches(item: Item, values: Values[Item], patterns: Sequence[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(value) for value in values(item) for pattern in patterns)


def _values_of(
    name: str, fields: Mapping[str, Values[Item]], tags: Callable[[Item], Mapping[str, str]]
) -> Values[Item]:
    if name in fields:
        return fields[name]
    if name == "tag-key":
        return lambda item: list(tags(item))
    if name.startswith("tag:"):
        key = name[len("tag:") :]
        return lambda item: [tags(item)[key]] if key in tags(item) else []
    raise ServiceError("InvalidParameterValue", f"The filter '{name[:64]}' is invalid")


def _pattern(value: str) -> re.Pattern[str]:
    """Runs of `*` count once: `fnmatch` would try each split of the text between them."""
    text = re.sub(r"\*+", "*", value.replace("[", "[[]"))
    if text.count("*") > 5:
        raise ServiceError("InvalidParameterValue", "A value of a filter has more than 5 wildcards *")
    return re.compile(fnmatch.translate(text))


def page(query: Query, items: Sequence[Item], sizes: range) -> Tuple[List[Item], Optional[str]]:
    """The page of `items` that the request names, and the token of the next one. Raises ServiceError."""
    size = query.number("MaxResults", sizes, sizes.stop - 1)
    token = query.text("NextToken", "")
    begin = _offset(token) if token else 0
    end = begin + size
    return list(items[begin:end]), _token(end) if end < len(items) else None


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"page:{offset}".encode()).decode()


def _offset(token: str) -> int:
    try:
        text = base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii")
    except ValueError:
        text = ""
    found = re.fullmatch("page:([0-9]{1,7})", text)
    if found is None:
        raise ServiceError("InvalidNextToken", "The token is invalid")
    return int(found[1])


def tag_set(tags: Mapping[str, str]) -> List[Dict[str, str]]:
    """Tags in an answer."""
    return [{"key": key, "value": value} for key, value in tags.items()]
