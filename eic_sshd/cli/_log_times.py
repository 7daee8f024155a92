# SPDX-License-Identifier: Apache-2.0
"""Times as an administrator writes them."""

from __future__ import annotations

import argparse
import datetime
import re
from typing import Dict

HELP = (
    "2026-11-29, '2026-11-29 07:00[:00]' or 07:00 in local time, 2026-11-29T07:00:00Z, @SECONDS since the epoch, now, "
    "today, yesterday, or an age such as 90min, 2h or 7d"
)
_UNITS: Dict[str, int] = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_UNITS.update({"w": 604800, "week": 604800, "hours": 3600, "days": 86400, "weeks": 604800})
_AGE = re.compile(r"-?(\d{1,6}) ?([a-z]+)(?: ago)?", re.ASCII)


def microseconds(text: str) -> int:
    """A time, in microseconds since the epoch. Raises ArgumentTypeError."""
    return parse(text, datetime.datetime.now().astimezone())


def parse(text: str, now: datetime.datetime) -> int:
    """The time that `text` means at `now`, in microseconds since the epoch. Raises ArgumentTypeError."""
    try:
        return int(_moment(text.strip(), now).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time. Use {HELP}") from None


def _moment(text: str, now: datetime.datetime) -> datetime.datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)  # local, also where a clock changes
    if text == "now":
        return now
    if text in ("today", "yesterday"):
        return (midnight - datetime.timedelta(days=text == "yesterday")).astimezone()
    age = _AGE.fullmatch(text)
    if age and age.group(2) in _UNITS:
        return now - datetime.timedelta(seconds=int(age.group(1)) * _UNITS[age.group(2)])
    if re.fullmatch(r"@\d{1,12}(\.\d{1,6})?", text, re.ASCII):
        return datetime.datetime.fromtimestamp(float(text[1:]), datetime.timezone.utc)
    if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text, re.ASCII):
        text = f"{now.date()} {text}"
    moment = datetime.datetime.fromisoformat(re.sub("Z$", "+00:00", text))
    return moment if moment.tzinfo else moment.astimezone()
