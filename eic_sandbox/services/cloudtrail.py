# SPDX-License-Identifier: Apache-2.0
"""CloudTrail's API: LookupEvents.

Names are from the service model that botocore ships (cloudtrail, version 2013-11-01). Unlike the real service, it shows
an event at once, and it has no limit of requests a second.
"""

from __future__ import annotations

import base64
import calendar
import json
import time
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from ..iam.document import Json
from ..trail.event import Event
from ..trail.trail import Trail
from .call import Call, Operation
from .errors import ServiceError

NAME = "cloudtrail"
TARGETS = ("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", "CloudTrail_20131101")
_MEMBERS = ("LookupAttributes", "StartTime", "EndTime", "EventCategory", "MaxResults", "NextToken")
_PAGE = 50
_MAX_TIME = 10.0**12  # seconds since the epoch: no event is as late


def operations(trail: Trail) -> Mapping[str, Operation[Mapping[str, Json], Mapping[str, Json]]]:
    """The operations on this trail."""
    return {"LookupEvents": Operation(lambda call, members: _lookup(trail, call, members), members=_MEMBERS)}


def _lookup(trail: Trail, call: Call, members: Mapping[str, Json]) -> Mapping[str, Json]:
    call.require(f"{NAME}:LookupEvents")
    for name in members:
        if name not in _MEMBERS:
            raise ServiceError("InvalidParameterException", f"{name[:64]} is not a member of LookupEvents")
    begin, end = _time(members, "StartTime", 0.0), _time(members, "EndTime", float("inf"))
    if begin > end:
        raise ServiceError("InvalidTimeRangeException", "StartTime is after EndTime")
    size = members.get("MaxResults", _PAGE)
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _PAGE:
        raise ServiceError("InvalidMaxResultsException", f"MaxResults is not 1 to {_PAGE}")
    fits = _attribute(members.get("LookupAttributes"))
    if members.get("EventCategory") is not None:
        if members["EventCategory"] != "insight":
            raise ServiceError("InvalidEventCategoryException", "EventCategory is not insight")
        return {"Events": []}
    found = [
        event
        for event in trail.newest_first()
        if event["recipientAccountId"] == call.region.account
        and event["awsRegion"] == call.region.name
        and begin <= _seconds(event) <= end
        and fits(event)
    ]
    after = _after(members.get("NextToken"))
    offset = next((at + 1 for at, event in enumerate(found) if event["eventID"] == after), 0) if after else 0
    if after and not offset:
        raise ServiceError("InvalidNextTokenException", "The token is invalid")
    page = found[offset : offset + size]
    answer: Dict[str, Json] = {"Events": [_shown(event) for event in page]}
    if offset + size < len(found):
        answer["NextToken"] = base64.urlsafe_b64encode(str(page[-1]["eventID"]).encode()).decode()
    return answer


def _time(members: Mapping[str, Json], name: str, default: float) -> float:
    value = members.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _MAX_TIME:
        raise ServiceError("InvalidTimeRangeException", f"{name} is not a number of seconds")
    return float(value)


def _after(token: Json) -> str:
    """The id of the last event of the page before. Raises ServiceError."""
    if token is None:
        return ""
    try:
        last = base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii") if isinstance(token, str) else ""
    except ValueError:
        last = ""
    if not last:
        raise ServiceError("InvalidNextTokenException", "The token is invalid")
    return last


def _seconds(event: Event) -> int:
    return calendar.timegm(time.strptime(str(event["eventTime"]), "%Y-%m-%dT%H:%M:%SZ"))


def _shown(event: Event) -> Dict[str, Json]:
    identity = event["userIdentity"]
    shown: Dict[str, Json] = {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "ReadOnly": "true" if event["readOnly"] else "false",
        "AccessKeyId": _member(identity, "accessKeyId"),
        "EventTime": _seconds(event),
        "EventSource": event["eventSource"],
        "Username": _user_name(event),
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in _resources(event)],
        "CloudTrailEvent": json.dumps(event),
    }
    return {name: value for name, value in shown.items() if value != ""}


def _member(value: Json, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _user_name(event: Event) -> str:
    """The name of the user, or of the session of a role."""
    identity = event["userIdentity"]
    return _member(identity, "userName") or _member(identity, "principalId").partition(":")[2]


def _resources(event: Event) -> List[Tuple[str, str]]:
    found = [
        (_member(one, "type"), _member(one, "ARN").rpartition("/")[2])
        for one in (event.get("resources") or [])  # type: ignore[union-attr] # a list where it is there
    ]
    instance = _member(event["requestParameters"], "instanceId")
    return [*found, *([("AWS::EC2::Instance", instance)] if instance else [])]


def _attribute(given: Json) -> Callable[[Event], bool]:
    """Whether an event has the attribute that a request names. Raises ServiceError."""
    if given is None or given == []:
        return lambda _: True
    values: Mapping[str, Callable[[Event], List[str]]] = {
        "EventId": lambda event: [str(event["eventID"])],
        "EventName": lambda event: [str(event["eventName"])],
        "EventSource": lambda event: [str(event["eventSource"])],
        "ReadOnly": lambda event: ["true" if event["readOnly"] else "false"],
        "Username": lambda event: [_user_name(event)],
        "AccessKeyId": lambda event: [_member(event["userIdentity"], "accessKeyId")],
        "ResourceType": lambda event: [kind for kind, _ in _resources(event)],
        "ResourceName": lambda event: [name for _, name in _resources(event)],
    }
    one: Optional[Json] = given[0] if isinstance(given, list) and len(given) == 1 else None
    key, value = _member(one, "AttributeKey"), _member(one, "AttributeValue")
    if key not in values or not value:
        raise ServiceError("InvalidLookupAttributesException", f"LookupAttributes is not one of {', '.join(values)}")
    return lambda event: value in values[key](event)
