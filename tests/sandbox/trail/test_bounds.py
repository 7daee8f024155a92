# SPDX-License-Identifier: Apache-2.0
"""The trail costs bounded memory, and its file has every event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, Mapping, Optional

import pytest

from eic_sandbox.cloud.principals import Account, Credentials, User
from eic_sandbox.iam.document import Json
from eic_sandbox.trail.event import Attempt, Event, Outcome, event
from eic_sandbox.trail.trail import Trail

USER = User(Account("123456789012"), "alice", "AIDAEXAMPLE")
CALLER = Credentials("AKIAEXAMPLE000000001", "secret", USER)
OTHER = Credentials("AKIAEXAMPLE000000002", "secret", User(Account("210987654321"), "mallory", "AIDAOTHER"))


def made(
    outcome: Outcome = Outcome(),  # noqa: B008 - it is immutable
    user_agent: str = "test",
    parameters: Optional[Mapping[str, Json]] = None,
    caller: Optional[Credentials] = CALLER,
) -> Event:
    attempt = Attempt(
        1_700_000_000.9, "ec2.amazonaws.com", "DescribeVpcs", "us-east-1", "192.0.2.1", user_agent, "id", caller,
        "123456789012", parameters=parameters,
    )  # fmt: skip
    return event(attempt, outcome)


def test_the_oldest_events_are_dropped_from_memory_but_not_from_the_file(tmp_path: Path) -> None:
    trail = Trail(max_events=3)
    trail.open(str(tmp_path / "trail.json"))
    recorded = [made() for _ in range(5)]
    for one in recorded:
        trail.record(one)
    trail.close()
    assert trail.newest_first() == [recorded[4], recorded[3], recorded[2]]
    lines = (tmp_path / "trail.json").read_text().splitlines()
    assert [json.loads(line)["eventID"] for line in lines] == [one["eventID"] for one in recorded]


def test_events_are_dropped_when_their_text_is_too_large_together() -> None:
    size = len(json.dumps(made()))
    trail = Trail(max_size=2 * size)
    recorded = [made() for _ in range(3)]
    for one in recorded:
        trail.record(one)
    assert trail.newest_first() == [recorded[2], recorded[1]]
    trail.record(made(Outcome(error_code="x", error_message="y" * 2 * size)))
    assert trail.newest_first() == []


@pytest.mark.parametrize("caller", [None, OTHER])
@pytest.mark.parametrize("bounds", [{"max_events": 6}, {"max_size": 6 * len(json.dumps(made()))}])
def test_a_caller_who_sends_too_many_requests_drops_no_events_of_other_accounts(
    bounds: Dict[str, int], caller: Optional[Credentials]
) -> None:
    trail = Trail(**bounds)
    first = made()
    trail.record(first)
    flood = [made(caller=caller) for _ in range(20)]
    for one in flood:
        trail.record(one)
    last = made()
    trail.record(last)
    kept = trail.newest_first()
    assert kept[0] == last
    assert kept[-1] == first
    assert kept[1:-1] == flood[: -len(kept) + 1 : -1]
    assert len(kept) >= 5


@pytest.mark.parametrize(
    "parameters",
    [
        {f"p{number}": "v" * 8192 for number in range(1000)},
        {"lookupAttributes": [{"AttributeKey": "x" * 1000}] * 1000},
        {"deep": {"deeper": ["v" * 100_000]}},
    ],
)
def test_large_parameters_are_left_out_of_an_event(parameters: Json) -> None:
    assert isinstance(parameters, dict)
    one = made(Outcome(parameters, "E" * 10, "m" * 100_000), "u" * 100_000, parameters)
    assert len(json.dumps(one)) < 16 * 1024
    for name in ("requestParameters", "responseElements"):
        assert one[name] == {"omitted": True, "originalSize": len(json.dumps(parameters)), "reason": "too large"}


def test_the_short_ones_of_too_large_parameters_are_kept() -> None:
    short: Dict[str, Json] = {"roleArn": "arn:aws:iam::123456789012:role/Operators", "roleSessionName": "alice"}
    tags: Dict[str, Json] = {f"tags.member.{n}.value": "\u00e9" * 256 for n in range(50)}
    found = made(parameters={**tags, **short})["requestParameters"]
    assert isinstance(found, dict)
    assert {name: found.pop(name) for name in short} == short
    assert found.pop("originalSize") == len(json.dumps({**tags, **short}))
    assert (found.pop("omitted"), found.pop("reason")) == (True, "too large")
    assert len(found) < 3  # a tag or two


def test_the_parameters_of_a_push_are_kept_whole() -> None:
    parameters: Json = {"instanceId": "i-0", "instanceOSUser": "root", "sSHPublicKey": "k" * 4096}
    assert isinstance(parameters, dict)
    assert made(parameters=parameters)["requestParameters"] == parameters


def test_a_file_that_cannot_be_written_costs_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    trail = Trail()
    trail.open("/dev/full")
    for _ in range(3):
        trail.record(made())
    assert capsys.readouterr().err == "eic-sandbox: /dev/full: No space left on device. The trail is in memory only.\n"
    assert len(trail.newest_first()) == 3
