# SPDX-License-Identifier: Apache-2.0
"""The JSON form of connections, pushes and statistics, which docs/audit.md documents. Its meaning never changes.

A later version may add members and words; it sets another `version` where it changes one.
"""

from __future__ import annotations

import datetime
from typing import Dict, Iterable, List, Optional, Sequence, Union

from .connection import Attempt, Connection, Login, Session
from .stats import Stats
from .trail import Comparison, Push

VERSION = 1
Json = Union[None, bool, int, float, str, Sequence["Json"], Dict[str, "Json"]]


def time(at: Optional[int]) -> Optional[str]:
    """Microseconds since the epoch in the form of RFC 3339, in UTC; None for None."""
    if at is None:
        return None
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(microseconds=at)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def connection(found: Connection, comparison: Optional[Comparison] = None) -> Dict[str, Json]:
    """A connection; with the member `trail` if there is a comparison."""
    form: Dict[str, Json] = {
        "version": VERSION,
        "type": "connection",
        "began": time(found.began),
        "last": time(found.last),
        "boot_id": found.boot or None,
        "sshd_pid": found.pid,
        "user": found.user,
        "address": found.address,
        "port": found.port,
        "result": found.result.value,
        "reason": found.reason,
        "login": _login(found.login) if found.login else None,
        "session": _session(found.session) if found.session else None,
        "attempts": [_attempt(one) for one in found.attempts],
        "sshd": list(found.sshd),
    }
    if comparison is not None:
        form["trail"] = {
            "match": comparison.match.value,
            "detail": comparison.detail or None,
            "push": _push(comparison.push) if comparison.push else None,
        }
    return form


def push(found: Push) -> Dict[str, Json]:
    """A push with which nobody logged in."""
    return {"version": VERSION, "type": "push", "result": "failed" if found.error else "unused", **_push(found)}


def stats(found: Stats) -> Dict[str, Json]:
    """Statistics."""
    return {
        "version": VERSION,
        "type": "stats",
        "decisions": dict(found.decisions),
        "connections": dict(found.connections),
        "logins": dict(found.logins),
        "latency_us": {source: dict(values) for source, values in found.latency_us.items()},
    }


def _login(found: Login) -> Dict[str, Json]:
    grant = found.grant
    return {
        "at": time(found.at),
        "by": found.by.value,
        "evidence": found.evidence.value if found.evidence else None,
        "methods": list(found.methods),
        "fingerprint": found.fingerprint,
        "key_place": found.key_place,
        "callers": _list(grant.caller) if grant else [],
        "request_ids": list(grant.request_ids) if grant else [],
        "policies": _list(grant.policy) if grant else [],
    }


def _session(found: Session) -> Dict[str, Json]:
    return {
        "state": found.state.value,
        "opened": time(found.opened),
        "closed": time(found.closed),
        "seconds": None if found.length is None else found.length / 1e6,
        "ids": list(found.ids),
    }


def _attempt(found: Attempt) -> Dict[str, Json]:
    timings: List[Json] = [{"elapsed_us": one.elapsed_us, "source": one.source or None} for one in found.timings]
    return {
        "decision": found.decision,
        "reason": found.reason,
        "fingerprints": list(found.fingerprints),
        "callers": _list(found.caller),
        "request_ids": list(found.request_ids),
        "policies": _list(found.policy),
        "instance_id": found.instance_id or None,
        "first": time(found.first),
        "last": time(found.last),
        "count": found.count,
        "timings": timings,
        "message": found.message,
    }


def _push(found: Push) -> Dict[str, Json]:
    return {
        "at": time(found.at),
        "request_id": found.request_id or None,
        "caller": found.caller or None,
        "address": found.address or None,
        "user_agent": found.user_agent or None,
        "instance_id": found.instance_id or None,
        "user": found.user or None,
        "fingerprint": found.fingerprint or None,
        "error": found.error or None,
    }


def _list(joined: str) -> List[Json]:
    parts: Iterable[str] = joined.split(", ") if joined else ()
    return list(parts)
