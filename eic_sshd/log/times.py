# SPDX-License-Identifier: Apache-2.0
"""Times in texts that others wrote."""

from __future__ import annotations

import datetime
from typing import Optional

_MICROSECOND = datetime.timedelta(microseconds=1)
_FIRST = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_LAST = datetime.datetime(9999, 12, 30, tzinfo=datetime.timezone.utc)  # also a time in each time zone


def microseconds(text: str) -> Optional[int]:
    """A time of ISO 8601 with its time zone, in microseconds since the epoch.

    None if it is none, or before the epoch, or after the last year that can be shown.
    """
    try:
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (at - _FIRST) // _MICROSECOND if _FIRST <= at <= _LAST else None
    except (ValueError, TypeError, OverflowError):
        return None
