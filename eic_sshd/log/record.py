# SPDX-License-Identifier: Apache-2.0
"""A decision as a record: one sentence for a person, and fields for machines."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple, Union

from ..model.decision import Decision
from ..model.outcome import Outcome
from ..model.reasons import Reason
from ..model.value import Value

Fields = Dict[str, Union[str, int]]


class Record(Value):
    """One entry for the log: a sentence, its kind's `message_id`, its syslog(3) `severity`, and fields for machines."""

    message: str
    message_id: str
    severity: int
    fields: Fields


def of(decision: Decision) -> Record:
    """The record of a decision."""
    return Record(sentence(decision), decision.outcome.message_id, decision.reason.severity, fields(decision))


_LIMIT = 1024  # characters of one value, so that a forged IMDS cannot flood the log
_LIST_LIMIT = 8 * 1024  # characters of a list of values, all of which AWS has signed


_LISTS = ("fingerprint", "key_type", "caller", "request_id", "policy")  # cleaned value by value


def fields(decision: Decision) -> Fields:
    """The record's own fields, by their names in JSON; in the journal they are upper case behind `EIC_`.

    A field for which the decision has no value is left out. `expires` is in seconds since the epoch.
    """
    invocation = decision.invocation
    found: Dict[str, Union[str, int, None]] = {
        "decision": decision.outcome.value,
        "reason": decision.reason.word,
        "user": invocation.user,
        "fingerprint": _joined(tuple(key.fingerprint for key in decision.keys))
        or _joined(() if invocation.fingerprint is None else (invocation.fingerprint,)),
        "key_type": _joined(tuple(dict.fromkeys(key.key_type for key in decision.keys))),
        "caller": _joined(decision.callers),
        "request_id": _joined(decision.request_ids),
        "policy": _joined(decision.policies),
        "expires": decision.expires,
        "instance_id": decision.instance_id,
        "source": decision.source.value if decision.source else None,
        "elapsed_us": decision.elapsed_us,
        "sshd_pid": invocation.sshd_pid,
    }
    return {
        name: clean(value) if isinstance(value, str) and name not in _LISTS else value
        for name, value in found.items()
        if value is not None
    }


def sentence(decision: Decision) -> str:
    """What was decided, for which user and why, in one line."""
    user, detail = clean(decision.invocation.user), clean(decision.detail)
    offered = f"key {clean(decision.invocation.fingerprint)}" if decision.invocation.fingerprint else "any key"
    word = decision.reason.word
    keys = _joined(tuple(f"{key.key_type} {key.fingerprint}" for key in decision.keys))
    if decision.outcome is Outcome.GRANTED:
        pushed_by = f", pushed by {_joined(decision.callers)}" if decision.callers else ""
        return f"granted {keys} to {user}{pushed_by}{f' ({detail})' if detail else ''}"
    if decision.reason is Reason.USER_SKIPPED:
        return f"IMDS was not read for {user}: {detail} ({word})"
    if decision.outcome is Outcome.NONE:
        return f"no key is pushed for {user}; requested: {offered}{f'; {detail}' if detail else ''} ({word})"
    if decision.outcome is Outcome.FALLBACK:
        return f"handed on-disk {keys} to sshd for {user}; no pushed key could be granted ({detail})"
    if decision.outcome is Outcome.REFUSED:
        return f"refused {offered} for {user}: {detail} ({word})"
    return f"could not decide on {offered} for {user}: {detail} ({word})"


def _joined(values: Tuple[str, ...]) -> Optional[str]:
    """All of `values`, cleaned; if they are too long for one field, the first ones and the number of the others."""
    kept: List[str] = []
    left = _LIST_LIMIT
    for value in map(clean, values):
        left -= len(value) + 2
        if left < 0:
            kept.append(f"({len(values) - len(kept)} more)")
            break
        kept.append(value)
    return ", ".join(kept) or None


def clean(text: str) -> str:
    """`text` without characters that could begin a line, move a cursor or imitate another record."""
    if len(text) <= _LIMIT and text.isprintable():  # by far the most; `eic-sshd log` shows many
        return text
    escaped = printable(text[: _LIMIT + 1])
    return escaped if len(escaped) <= _LIMIT else escaped[:_LIMIT] + "..."


def printable(text: str) -> str:
    """`text` with the characters escaped that a terminal does not show, but obeys."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
