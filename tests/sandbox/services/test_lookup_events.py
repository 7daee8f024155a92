# SPDX-License-Identifier: Apache-2.0
"""CloudTrail's LookupEvents: by attribute, by time, in pages, and only those of the caller's account and Region."""

from __future__ import annotations

import json
import math
from typing import Any, Dict, List

import pytest

from testbed import keys

from ..fleet import Fleet
from ..fleet_world import FIRST
from .calls import LOOKUP_TARGET, json_call, problem

ATTRIBUTE = "AttributeKey", "AttributeValue"


def lookup(world: Fleet, who: str = "admin", region: str = "us-east-1", **arguments: Any) -> List[Dict[str, Any]]:
    answer = world.client("cloudtrail", who, region).lookup_events(**arguments)
    found: List[Dict[str, Any]] = answer["Events"]
    return found


def by(key: str, value: str) -> List[Dict[str, str]]:
    return [dict(zip(ATTRIBUTE, (key, value)))]


@pytest.fixture
def busy(world: Fleet) -> Fleet:
    """A world with four events: a push, a refused tunnel, a tunnel, and a call of another account."""
    key = keys.ed25519_line()
    world.client("ec2-instance-connect").send_ssh_public_key(InstanceId=FIRST, InstanceOSUser="root", SSHPublicKey=key)
    assert world.open(world.url("alice"))[0] == 403
    assert world.open(world.url())[0] == 200
    world.client("ec2", "mallory").describe_vpcs()
    return world


def test_an_event_is_listed_with_its_whole_text(busy: Fleet) -> None:
    (found,) = lookup(busy, LookupAttributes=by("EventName", "SendSSHPublicKey"))
    event = json.loads(found["CloudTrailEvent"])
    assert event == busy.events[0]
    assert found["EventId"] == event["eventID"]
    assert found["EventSource"] == "ec2-instance-connect.amazonaws.com"
    assert found["ReadOnly"] == "false"
    assert found["AccessKeyId"] == busy.credentials("admin").access_key
    assert found["Username"] == "admin"
    assert found["Resources"] == [{"ResourceType": "AWS::EC2::Instance", "ResourceName": FIRST}]
    assert found["EventTime"].strftime("%Y-%m-%dT%H:%M:%SZ") == event["eventTime"]


def test_the_newest_events_come_first_and_those_of_others_are_not_shown(busy: Fleet) -> None:
    assert [one["EventName"] for one in lookup(busy)] == ["OpenTunnel", "OpenTunnel", "SendSSHPublicKey"]
    assert [one["EventName"] for one in lookup(busy, "mallory")] == ["DescribeVpcs"]
    assert lookup(busy, region="us-west-2") == []
    for text in (json.dumps(lookup(busy, "mallory"), default=str),):
        assert "123456789012" not in text


@pytest.mark.parametrize(
    ("key", "value", "names"),
    [
        ("EventName", "OpenTunnel", ["OpenTunnel", "OpenTunnel"]),
        ("EventName", "opentunnel", []),
        ("EventSource", "ec2-instance-connect.amazonaws.com", ["OpenTunnel", "OpenTunnel", "SendSSHPublicKey"]),
        ("EventSource", "ec2.amazonaws.com", []),
        ("Username", "alice", ["OpenTunnel"]),
        ("Username", "mallory", []),
        ("AccessKeyId", "AKIAALICE00000000000", ["OpenTunnel"]),
        ("ResourceType", "AWS::EC2::InstanceConnectEndpoint", ["OpenTunnel", "OpenTunnel"]),
        ("ResourceName", FIRST, ["SendSSHPublicKey"]),
        ("ResourceName", "eice-123456789abcdef", ["OpenTunnel", "OpenTunnel"]),
        ("ReadOnly", "true", []),
        ("ReadOnly", "false", ["OpenTunnel", "OpenTunnel", "SendSSHPublicKey"]),
        ("EventId", "nonsense", []),
    ],
)
def test_events_with_an_attribute(busy: Fleet, key: str, value: str, names: List[str]) -> None:
    assert [one["EventName"] for one in lookup(busy, LookupAttributes=by(key, value))] == names


def test_events_between_two_times(busy: Fleet) -> None:
    at = busy.clock()
    busy.clock.ahead = 300
    busy.client("ec2").describe_vpcs()
    assert [one["EventName"] for one in lookup(busy, StartTime=at + 120)] == ["DescribeVpcs"]
    assert len(lookup(busy, EndTime=at + 120)) == 3
    assert lookup(busy, StartTime=at + 120, EndTime=at + 180) == []
    assert lookup(busy, EndTime=at - 3600) == []


def test_pages_together_have_each_event_once_though_new_ones_arrive(busy: Fleet) -> None:
    asked = {"MaxResults": 1, "LookupAttributes": by("EventSource", "ec2-instance-connect.amazonaws.com")}
    client = busy.client("cloudtrail")
    found: List[str] = []
    answer = client.lookup_events(**asked)
    while True:
        found += [one["EventId"] for one in answer["Events"]]
        if "NextToken" not in answer:
            break
        assert busy.open(busy.url("alice"))[0] == 403  # a newer event of the same kind
        answer = client.lookup_events(NextToken=answer["NextToken"], **asked)
    assert found == [event["eventID"] for event in reversed(busy.events[:3])]


def test_an_insight_is_never_found(busy: Fleet) -> None:
    assert lookup(busy, EventCategory="insight") == []


def test_the_trail_is_not_shown_without_permission(busy: Fleet) -> None:
    assert problem(lambda: lookup(busy, "alice")) == ("AccessDeniedException", 400)
    busy.attach("alice", {"Effect": "Allow", "Action": "ec2-instance-connect:*", "Resource": "*"})
    assert problem(lambda: lookup(busy, "alice")) == ("AccessDeniedException", 400)
    busy.attach("alice", {"Effect": "Allow", "Action": "cloudtrail:LookupEvents", "Resource": "*"})
    assert lookup(busy, "alice")


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"MaxResults": 0}, "InvalidMaxResultsException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"MaxResults": True}, "InvalidMaxResultsException"),
        ({"MaxResults": "5"}, "InvalidMaxResultsException"),
        ({"NextToken": "nonsense"}, "InvalidNextTokenException"),
        ({"NextToken": "AAAA"}, "InvalidNextTokenException"),
        ({"NextToken": {}}, "InvalidNextTokenException"),
        ({"NextToken": "\u00e4"}, "InvalidNextTokenException"),
        ({"StartTime": 2, "EndTime": 1}, "InvalidTimeRangeException"),
        ({"StartTime": "2026-01-01"}, "InvalidTimeRangeException"),
        ({"StartTime": math.nan}, "InvalidTimeRangeException"),
        ({"EndTime": math.inf}, "InvalidTimeRangeException"),
        ({"EndTime": 10**400}, "InvalidTimeRangeException"),
        ({"EndTime": -(10**400)}, "InvalidTimeRangeException"),
        ({"EventCategory": "management"}, "InvalidEventCategoryException"),
        ({"EventCategory": []}, "InvalidEventCategoryException"),
        ({"LookupAttributes": by("Colour", "red")}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": by("EventName", "")}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": by("EventName", "x") * 2}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": "EventName"}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": [["EventName", "x"]]}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": [{"AttributeKey": ["EventName"], "AttributeValue": "x"}]},
         "InvalidLookupAttributesException"),
        ({"Nonsense": 1}, "InvalidParameterException"),
    ],
)  # fmt: skip
def test_members_that_lookup_events_does_not_accept(
    shared_world: Fleet, members: Dict[str, object], error: str
) -> None:
    answer = json_call(shared_world, LOOKUP_TARGET, json.dumps(members).encode())
    assert (answer.status_code, answer.json()["__type"]) == (400, error)
