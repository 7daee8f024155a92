# SPDX-License-Identifier: Apache-2.0
"""Whether this machine's clock is right: by the Date of IMDS's answers, and by what the time daemon reports."""

from __future__ import annotations

import datetime
import email.utils
from typing import Iterator, NamedTuple, Optional

from ..config.schema import KeysSettings
from .finding import Finding, error, ok, unknown, warning

PUSH_VALIDITY = 60  # seconds: AWS sets a key's Timestamp to the push and these (EC2 Instance Connect's user guide)
_TOLERANCE = 5.0  # seconds: Date counts whole ones, and an answer takes some time


class ClockFacts(NamedTuple):
    """`date` is the Date of IMDS (empty if it gave none) when this machine's clock was at `now` (Unix time).

    `daemon` is the unit that sets the clock, None without one; `is_synchronized` is what the kernel reports of it, None
    if that is not known. `install` installs a time daemon.
    """

    now: float
    date: str
    daemon: Optional[str] = None
    is_synchronized: Optional[bool] = None
    install: str = ""


def findings(facts: ClockFacts, keys: KeysSettings) -> Iterator[Finding]:
    """What is wrong with the clock; one finding OK if nothing is."""
    ahead = _ahead(facts)
    if ahead is not None and abs(ahead) > _TOLERANCE:
        words = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the Date of IMDS"
        refused = _refused(ahead, keys)
        if refused:
            yield error("clock-wrong", "the clock", f"it is {words}, so {refused}", _remedy(facts))
        else:
            yield warning("clock-inexact", "the clock", f"it is {words}", _remedy(facts))
        return
    if facts.is_synchronized is False:
        problem = "the time daemon has not set it" if facts.daemon else "no time daemon sets it"
        yield warning("clock-unsynchronized", "the clock", problem, _remedy(facts))
    elif ahead is not None:
        yield ok("clock-right", "the clock", "it agrees with the Date of IMDS")
    else:
        yield unknown("clock-unknown", "the clock", "IMDS gives no Date to compare it with")


def _refused(ahead: float, keys: KeysSettings) -> str:
    """Which keys rule 6 of a decision refuses, now < Timestamp <= now + window + clock_skew; empty if none.

    It sees a key's Timestamp nearer by `ahead` seconds than it is, and at most PUSH_VALIDITY ahead.
    """
    if ahead >= PUSH_VALIDITY or -ahead > keys.window + keys.clock_skew:
        return "every pushed key is refused"
    if -ahead > max(keys.window + keys.clock_skew - PUSH_VALIDITY, 0):
        return "a key is refused right after its push"
    return ""


def _remedy(facts: ClockFacts) -> str:
    """chronyc(1), makestep; systemd-timesyncd steps the clock when it starts."""
    if facts.daemon is None:
        return f"Run `{facts.install}`" if facts.install else "Install chrony"
    if facts.daemon.startswith("chrony"):
        return "Run `chronyc makestep`"
    return f"Run `systemctl restart {facts.daemon}`"


def _ahead(facts: ClockFacts) -> Optional[float]:
    """Seconds by which this machine is ahead of IMDS; None without a valid Date (RFC 9110 section 5.6.7)."""
    try:
        date = email.utils.parsedate_to_datetime(facts.date)
    except (TypeError, ValueError, IndexError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.timezone.utc)
    return facts.now - date.timestamp()
