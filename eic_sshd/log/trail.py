# SPDX-License-Identifier: Apache-2.0
"""CloudTrail's events of pushed keys, and how they compare with the logins on this instance.

The fields of an event: AWS CloudTrail User Guide, "CloudTrail record contents"; those of SendSSHPublicKey: EC2 User
Guide, "Log EC2 Instance Connect API calls".
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

from ..model import public_key
from . import times
from .connection import Attempt, Connection

Json = Union[None, bool, int, float, str, List["Json"], Dict[str, "Json"]]

_SOURCE = "ec2-instance-connect.amazonaws.com"
_PUSH = "SendSSHPublicKey"


class NotATrail(Exception):
    """The text has no CloudTrail events."""


class NoEvents(NotATrail):
    """It is empty, or a digest, such as CloudTrail writes beside its log files."""


@dataclass(frozen=True)
class Push:
    """One call of SendSSHPublicKey, at `at` (microseconds since the epoch). `error` is why AWS refused it."""

    at: int
    request_id: str
    caller: str
    address: str
    user_agent: str
    instance_id: str
    user: str
    fingerprint: str
    error: str = ""


@dataclass(frozen=True)
class Trail:
    """The pushes in some events. `first` and `last` are the times of all events; None if there are none."""

    pushes: Tuple[Push, ...] = ()
    first: Optional[int] = None
    last: Optional[int] = None


def joined(trails: Iterable[Trail]) -> Trail:
    """The events of all; an event that is in several counts once."""
    pushes: Dict[Push, None] = {}
    first: Optional[int] = None
    last: Optional[int] = None
    for trail in trails:
        pushes.update(dict.fromkeys(trail.pushes))
        if trail.first is not None and trail.last is not None:
            first = trail.first if first is None else min(first, trail.first)
            last = trail.last if last is None else max(last, trail.last)
    return Trail(tuple(pushes), first, last)


class Match(enum.Enum):
    """How a login compares with the trail."""

    OK = "ok"  # the trail has the push, as the record says
    PROBLEM = "problem"  # it is not in a trail that has the time, or the trail says something else
    UNKNOWN = "unknown"  # the trail does not have the time of the login


@dataclass(frozen=True)
class Comparison:
    """A login beside its push; `detail` says what is wrong."""

    match: Match
    push: Optional[Push] = None
    detail: str = ""


def parse(content: bytes) -> Trail:
    """The events of a log file, of one or more outputs of `aws cloudtrail lookup-events`, or of a list of events.

    Raises NotATrail.
    """
    try:
        documents = list(_documents(content.decode(json.detect_encoding(content))))
    except (ValueError, RecursionError) as error:
        raise NotATrail(f"not JSON: {error}") from None
    if all(isinstance(found, dict) and "digestStartTime" in found for found in documents):
        raise NoEvents("it is a digest: it has no events" if documents else "it is empty")
    return joined(map(_trail, documents))


def _documents(text: str) -> Iterator[Json]:
    """Raises ValueError, RecursionError."""
    decoder, blanks = json.JSONDecoder(), re.compile(r"[ \t\r\n]*")
    position = _end(blanks.match(text, 0))
    while position < len(text):
        found, position = decoder.raw_decode(text, position)
        yield found
        position = _end(blanks.match(text, position))


def _end(match: Optional[re.Match[str]]) -> int:
    return match.end() if match else 0


def _trail(found: Json) -> Trail:
    """Raises NotATrail."""
    events = list(_events(found))
    if not events and not _is_empty(found):
        raise NotATrail("no `Records`, `Events` or event in it")
    pushes, when = [], []
    for event in events:
        at = times.microseconds(_text(event, "eventTime"))
        if at is not None:
            when.append(at)
            if event.get("eventSource") == _SOURCE and event.get("eventName") == _PUSH:
                pushes.append(_push(event, at))
    return Trail(tuple(dict.fromkeys(pushes)), min(when, default=None), max(when, default=None))


def _is_empty(found: Json) -> bool:
    return found == [] or (isinstance(found, dict) and [] in (found.get("Records"), found.get("Events")))


def _events(found: Json) -> Iterator[Mapping[str, Json]]:
    if isinstance(found, dict):
        inner = found.get("Records", found.get("Events"))
        if isinstance(inner, list):
            yield from _events(inner)
        elif isinstance(found.get("CloudTrailEvent"), str):  # lookup-events: the event is text within the JSON
            try:
                inside = json.loads(str(found["CloudTrailEvent"]))
            except (ValueError, RecursionError):
                return
            if isinstance(inside, dict):
                yield inside
        elif "eventName" in found:
            yield found
    elif isinstance(found, list):
        for one in found:
            if isinstance(one, dict):
                yield from _events({key: value for key, value in one.items() if key not in ("Records", "Events")})


def _push(event: Mapping[str, Json], at: int) -> Push:
    parameters, answer = _object(event, "requestParameters"), _object(event, "responseElements")
    error = _text(event, "errorCode")
    return Push(
        at=at,
        request_id=_text(event, "requestID") or _text(answer, "requestId"),
        caller=_text(_object(event, "userIdentity"), "arn"),
        address=_text(event, "sourceIPAddress"),
        user_agent=_text(event, "userAgent"),
        instance_id=_text(parameters, "instanceId"),
        user=_text(parameters, "instanceOSUser"),
        fingerprint=_fingerprint(_text(parameters, "sSHPublicKey")),
        error=error or ("" if answer.get("success", True) is True else "not successful"),
    )


def _object(event: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _text(event: Mapping[str, Json], name: str) -> str:
    found = event.get(name)
    return found[:1024] if isinstance(found, str) else ""


def _fingerprint(line: str) -> str:
    try:
        return public_key.parse(line.strip().encode()).fingerprint
    except (ValueError, public_key.MalformedKey):
        return ""


_SECOND = 1_000_000  # microseconds; an eventTime is a whole second, and its event was anywhere within it
_WINDOW = 121 * _SECOND  # from a push's time to its login: that second, 60 s of validity and 60 s of clock skew


def compare(connection: Connection, trail: Trail) -> Optional[Comparison]:
    """How the login's push compares with the trail; None if it was no login with a pushed key."""
    ids = connection.request_ids
    if not ids or not connection.login or not connection.login.grant:
        return None
    by_id = {push.request_id: push for push in trail.pushes if push.request_id}
    found = [by_id[one] for one in ids if one in by_id]
    if not found:
        has_time = (
            trail.first is not None
            and trail.last is not None
            and trail.first + _WINDOW <= connection.login.at <= trail.last
        )
        if has_time:
            return Comparison(Match.PROBLEM, None, "the trail has no such request")
        return Comparison(Match.UNKNOWN, None, "the trail does not have this time")
    compared = [_compare(push, connection.login.grant) for push in found]
    return next((one for one in compared if one.match is Match.OK), compared[0])


def _compare(push: Push, grant: Attempt) -> Comparison:
    if push.error:
        return Comparison(Match.PROBLEM, push, f"AWS refused the push: {push.error}")
    differences = [
        name
        for name, trails, ours in (
            ("caller", push.caller, grant.caller.split(", ")),
            ("user", push.user, [grant.user]),
            ("instance", push.instance_id, [grant.instance_id]),
            ("key", push.fingerprint, grant.fingerprints),
        )
        if trails and any(ours) and trails not in ours
    ]
    if differences:
        return Comparison(Match.PROBLEM, push, f"the trail has another {' and '.join(differences)}")
    return Comparison(Match.OK, push)


def instances(connections: Iterable[Connection]) -> Set[str]:
    """The instances that the records name: this one, and those whose disk it has."""
    return {one.instance_id for connection in connections for one in connection.attempts if one.instance_id}


def unused(
    connections: Iterable[Connection], trail: Trail, since: int, instance_ids: Collection[str]
) -> Sequence[Push]:
    """The pushes to these instances from `since` on (microseconds since the epoch) with which nobody logged in.

    One in the same second as `since` is among them.
    """
    used = {request_id for connection in connections for request_id in connection.request_ids}
    return [
        push
        for push in trail.pushes
        if push.at + _SECOND > since and push.request_id not in used and push.instance_id in instance_ids
    ]
