# SPDX-License-Identifier: Apache-2.0
"""CloudTrail's events beside the logins."""

from __future__ import annotations

import json
from typing import Dict, Optional

import pytest

from eic_sshd.log.connection import Connection
from eic_sshd.log.trail import Match, NoEvents, NotATrail, Trail, compare, instances, joined, parse, unused
from eic_sshd.model.outcome import Outcome

from .journal import BEGIN, CALLER, EIC_UID, SECOND, Log, only
from .trail_events import EARLY, FINGERPRINT, INSTANCE, LATE, LINE, Event, event


def trail(*events: Event) -> Trail:
    return parse(json.dumps({"Records": list(events)}).encode())


def login(**fields: str) -> Connection:
    log = Log()
    key = fields.get("fingerprint", FINGERPRINT)
    log.record(4242, Outcome.GRANTED, "granted", EIC_UID, **{"fingerprint": key, **fields})
    log.accepted(4242, key=key.split(", ")[0])
    return only(log)


@pytest.mark.parametrize(
    "form",
    [
        {"Records": [event()]},
        {"Events": [{"EventId": "e", "CloudTrailEvent": json.dumps(event()), "Username": "alice"}]},
        [event()],
        [{"CloudTrailEvent": json.dumps(event())}],
        event(),
    ],
)
def test_events_are_read_in_each_form_in_which_aws_gives_them(form: object) -> None:
    (push,) = parse(json.dumps(form).encode()).pushes
    assert (push.request_id, push.caller, push.address) == ("r-1", CALLER, "198.51.100.4")
    assert (push.instance_id, push.user, push.fingerprint) == (INSTANCE, "ec2-user", FINGERPRINT)
    assert (push.at, push.error) == (BEGIN - 20 * SECOND, "")


def test_trail_of_several_outputs_is_read() -> None:
    outputs = [json.dumps({"Events": [{"CloudTrailEvent": json.dumps(event(one))}]}, indent=4) for one in "abc"]
    assert [push.request_id for push in parse("\n".join([*outputs, ""]).encode()).pushes] == ["a", "b", "c"]
    assert [push.request_id for push in parse("".join(outputs).encode("utf-16")).pushes] == ["a", "b", "c"]


@pytest.mark.parametrize("content", [b"", b" \n", b'{"digestStartTime": "2023-11-14T22:13:00Z", "logFiles": []}'])
def test_file_that_cloudtrail_writes_without_events_is_distinguished(content: bytes) -> None:
    with pytest.raises(NoEvents):
        parse(content)


@pytest.mark.parametrize("form", [{"Records": []}, {"Events": []}, []])
def test_empty_trail_has_no_push(form: object) -> None:
    assert parse(json.dumps(form).encode()) == Trail()


@pytest.mark.parametrize(
    "content", [b"", b"x", b"{}", b"1", b"null", b'{"a": 1}', b"[1]", b"{} 1", b"[" * 100_000, b"\xff"]
)
def test_file_without_events_is_no_trail(content: bytes) -> None:
    with pytest.raises(NotATrail):
        parse(content)


@pytest.mark.parametrize(
    "changed",
    [
        {"eventTime": None},
        {"eventTime": "soon"},
        {"eventTime": "9999-12-31T23:59:59-12:00"},
        {"eventTime": "9999-12-31T23:59:59Z"},
        {"eventTime": "0001-01-01T00:00:00+14:00"},
        {"eventTime": "2023-11-14T22:13:00"},
        {"eventName": "SendSerialConsoleSSHPublicKey"},
        {"eventSource": "ec2.amazonaws.com"},
    ],
)
def test_event_that_is_no_push_is_left_out(changed: Event) -> None:
    assert trail({**event(), **changed}).pushes == ()


@pytest.mark.parametrize("name", ["requestParameters", "responseElements", "userIdentity", "requestID", "userAgent"])
@pytest.mark.parametrize("value", [None, [], 1, "x", {"arn": 1, "sSHPublicKey": "x", "instanceId": []}])
def test_event_of_another_form_is_read_as_far_as_possible(name: str, value: object) -> None:
    assert len(trail({**event(), name: value}).pushes) == 1


def test_request_that_aws_refused_has_its_error() -> None:
    (push,) = trail(event(errorCode="AccessDenied", responseElements=None)).pushes
    assert push.error == "AccessDenied"


@pytest.mark.parametrize(
    ("events", "fields", "match", "detail"),
    [
        ([event()], {}, Match.OK, ""),
        ([EARLY, event("r-2"), LATE], {}, Match.PROBLEM, "the trail has no such request"),
        ([EARLY, LATE], {}, Match.PROBLEM, "the trail has no such request"),
        ([EARLY], {}, Match.UNKNOWN, "the trail does not have this time"),
        ([LATE], {}, Match.UNKNOWN, "the trail does not have this time"),
        ([], {}, Match.UNKNOWN, "the trail does not have this time"),
        ([event()], {"caller": f"{CALLER}2"}, Match.PROBLEM, "the trail has another caller"),
        ([event()], {"instance_id": "i-1"}, Match.PROBLEM, "the trail has another instance"),
        ([event()], {"fingerprint": "SHA256:" + "z" * 43}, Match.PROBLEM, "the trail has another key"),
        ([event(errorCode="AccessDenied")], {}, Match.PROBLEM, "AWS refused the push: AccessDenied"),
        (
            [event("r-1", errorCode="AccessDenied"), event("r-2")],
            {"caller": f"x, {CALLER}", "request_id": "r-1, r-2"},
            Match.OK,
            "",
        ),
        ([event("r-2")], {"caller": f"x, {CALLER}", "request_id": "r-1, r-2"}, Match.OK, ""),
    ],
)
def test_login_is_compared_with_its_push(
    events: list[Event], fields: Dict[str, str], match: Match, detail: str
) -> None:
    found = compare(login(**fields), trail(*events))
    assert found is not None
    assert (found.match, found.detail) == (match, detail)


def test_login_of_another_user_than_that_of_the_push_is_a_problem() -> None:
    parameters = {"instanceId": INSTANCE, "instanceOSUser": "root", "sSHPublicKey": LINE}
    found = compare(login(), trail(event(requestParameters=parameters)))
    assert found is not None
    assert (found.match, found.detail) == (Match.PROBLEM, "the trail has another user")


def test_login_without_a_pushed_key_is_not_compared() -> None:
    log = Log()
    log.accepted(4242)
    assert compare(only(log), trail(event())) is None


@pytest.mark.parametrize(
    ("request_id", "instance", "since", "expected"),
    [
        ("r-1", INSTANCE, 0, None),
        ("r-2", INSTANCE, 0, "r-2"),
        ("r-2", "i-00000000000000000", 0, None),
        ("r-2", INSTANCE, BEGIN, None),
        ("r-2", INSTANCE, BEGIN - 20 * SECOND + SECOND // 2, "r-2"),  # an eventTime is a whole second
        ("r-2", INSTANCE, BEGIN - 19 * SECOND, None),
    ],
)
def test_push_to_this_instance_without_a_login_is_named(
    request_id: str, instance: str, since: int, expected: Optional[str]
) -> None:
    parameters = {"instanceId": instance, "instanceOSUser": "ec2-user", "sSHPublicKey": LINE}
    logins = [login()]
    found = unused(logins, trail(event(request_id, requestParameters=parameters)), since, instances(logins))
    assert [push.request_id for push in found] == ([] if expected is None else [expected])


def test_granted_push_without_a_login_is_not_used() -> None:
    log = Log()
    log.record(4242)
    assert [push.request_id for push in unused([only(log)], trail(event()), 0, {INSTANCE})] == ["r-1"]


def test_event_in_two_files_counts_once() -> None:
    both = joined([trail(EARLY, event()), Trail(), trail(event(), LATE)])
    assert len(both.pushes) == 1
    assert both.last is not None
    assert both.first is not None
    assert both.last - both.first == 3 * 3600 * SECOND
