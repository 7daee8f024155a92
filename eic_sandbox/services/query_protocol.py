# SPDX-License-Identifier: Apache-2.0
"""The query protocols of EC2 and STS: a form with `Action` and `Version`, answered in XML.

Lists are `Name.1`, `Name.2`; structures in them `Name.1.Member` (EC2 API Reference, "Query requests"; the AWS SDKs'
service models, protocols `ec2` and `query`).
"""

from __future__ import annotations

import datetime
import re
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from ..iam.document import Json
from .errors import ServiceError

CONTENT_TYPE = "text/xml;charset=UTF-8"
EC2_VERSION, STS_VERSION = "2016-11-15", "2011-06-15"
_EC2_NAMESPACE = f"http://ec2.amazonaws.com/doc/{EC2_VERSION}/"
_STS_NAMESPACE = f"https://sts.amazonaws.com/doc/{STS_VERSION}/"
_MAX_PARAMETERS = 1000
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Node = Union[None, bool, int, str, datetime.datetime, Mapping[str, "Node"], Sequence["Node"]]
"""A value in an answer: text, a structure, or a list."""

Members = Mapping[str, Node]


class Query:
    """The parameters of a request; those that no operation read are unknown."""

    def __init__(self, pairs: Sequence[Tuple[str, str]]) -> None:
        self.pairs: Dict[str, str] = {}
        for name, value in pairs:
            if name in self.pairs:
                raise ServiceError("InvalidParameterCombination", f"The parameter {name[:64]} is given twice")
            self.pairs[name] = value
        self._used: Set[str] = {"Action", "Version"}

    def ignore_signature(self) -> None:
        """Drop the parameters of a presigned URL."""
        self.pairs = {name: value for name, value in self.pairs.items() if not name.startswith("X-Amz-")}

    def text(self, name: str, default: Optional[str] = None) -> str:
        """The value of a parameter. Raises ServiceError where it is missing and there is no default."""
        self._used.add(name)
        value = self.pairs.get(name, default)
        if value is None:
            raise ServiceError("MissingParameter", f"The request must contain the parameter {name}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A Boolean. Raises ServiceError."""
        text = self.text(name, "true" if default else "false").lower()
        if text not in ("true", "false"):
            raise ServiceError("InvalidParameterValue", f"Value ({text[:64]}) for parameter {name} is not a Boolean")
        return text == "true"

    def number(self, name: str, allowed: range, default: int) -> int:
        """A whole number. Raises ServiceError."""
        text = self.text(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) in allowed):
            bounds = f"{allowed.start} to {allowed.stop - 1}"
            raise ServiceError("InvalidParameterValue", f"Value ({text[:64]}) for parameter {name} is not {bounds}")
        return int(text)

    def has(self, name: str) -> bool:
        """Whether the parameter, or an item of the list with this name, is there."""
        return name in self.pairs or any(one.startswith(f"{name}.") for one in self.pairs)

    def texts(self, name: str) -> List[str]:
        """The items of a list of strings, in order."""
        return [self.text(f"{name}.{number}") for number in self._numbers(name)]

    def structures(self, name: str) -> Iterator[str]:
        """The prefixes of the items of a list of structures, such as `Filter.1`, in order."""
        for number in self._numbers(name):
            yield f"{name}.{number}"

    def _numbers(self, name: str) -> List[int]:
        begins = f"{name}."
        found = {one[len(begins) :].partition(".")[0] for one in self.pairs if one.startswith(begins)}
        return sorted(int(one) for one in found if one.isascii() and one.isdigit() and len(one) < 5)

    def require_known(self) -> None:
        """Raises ServiceError for a parameter that the operation did not read."""
        for name in self.pairs:
            if name not in self._used:
                raise ServiceError("UnknownParameter", f"The parameter {name[:64]} is not recognized")


def read(body: bytes) -> Query:
    """The parameters in a form. Raises ServiceError."""
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=_MAX_PARAMETERS,
            errors="strict",
        )  # fmt: skip
    except ValueError:
        raise ServiceError("MalformedQueryString", "The body is not a form, or has too many parameters") from None
    return Query(pairs)


def trail_names(members: Mapping[str, Json]) -> Dict[str, Json]:
    """The members by the names that CloudTrail gives them: with a lower-case first letter.

    Those of other spellings are left out. No service has any, and one could take the place of a real one.
    """
    return {name[0].lower() + name[1:]: value for name, value in members.items() if "A" <= name[:1] <= "Z"}


def trail_parameters(query: Query) -> Dict[str, Json]:
    """The parameters as the trail shows them, without the name and the version of the operation."""
    return trail_names({name: value for name, value in query.pairs.items() if name not in ("Action", "Version")})


def ec2_answer(action: str, output: Members, request_id: str) -> bytes:
    """The body of an answer of EC2: lists are `item` elements."""
    root = ElementTree.Element(f"{action}Response", xmlns=_EC2_NAMESPACE)
    _append(root, {"requestId": request_id, **output}, "item")
    return _text(root)


def ec2_error(problem: ServiceError, request_id: str) -> bytes:
    """The body of an error of EC2."""
    root = ElementTree.Element("Response")
    _append(root, {"Errors": {"Error": {"Code": problem.name, "Message": problem.message}}}, "item")
    _append(root, {"RequestID": request_id}, "item")
    return _text(root)


def sts_answer(action: str, output: Members, request_id: str) -> bytes:
    """The body of an answer of STS."""
    root = ElementTree.Element(f"{action}Response", xmlns=_STS_NAMESPACE)
    _append(root, {f"{action}Result": output, "ResponseMetadata": {"RequestId": request_id}}, "member")
    return _text(root)


def sts_error(problem: ServiceError, request_id: str) -> bytes:
    """The body of an error of STS."""
    root = ElementTree.Element("ErrorResponse", xmlns=_STS_NAMESPACE)
    kind = "Sender" if problem.status < 500 else "Receiver"
    error = {"Type": kind, "Code": problem.name, "Message": problem.message}
    _append(root, {"Error": error, "RequestId": request_id}, "member")
    return _text(root)


def _append(parent: ElementTree.Element, members: Members, item: str) -> None:
    for name, value in members.items():
        if value is not None:
            _fill(ElementTree.SubElement(parent, name), value, item)


def _fill(element: ElementTree.Element, value: Node, item: str) -> None:
    if isinstance(value, Mapping):
        _append(element, value, item)
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    elif isinstance(value, datetime.datetime):
        element.text = value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    elif isinstance(value, (str, int)):
        element.text = _NOT_IN_XML.sub("\ufffd", str(value))
    elif value is not None:
        for one in value:
            _fill(ElementTree.SubElement(element, item), one, item)


def _text(root: ElementTree.Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root)


def time_of(seconds: float) -> datetime.datetime:
    """A time in an answer."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
