# SPDX-License-Identifier: Apache-2.0
"""[keys] options that sshd refuses now, or in this version, although their syntax is right (sshd(8))."""

from __future__ import annotations

import calendar
import time
from typing import Iterator, Optional

from ..host.errors import MachineError
from ..model.key_options import expiry_time
from ..sshd.program import Sshd
from .finding import Finding, error

_UTC_SINCE = (9, 1)  # the first OpenSSH that knows the Z of expiry-time; others ignore a line with it
_SUBJECT = "[keys] options"


def problems(options: str, now: float, sshd: Optional[Sshd]) -> Iterator[Finding]:
    """Why no pushed key logs in with `options`, of this machine's `sshd` or (None) of any.

    `now` is in seconds since the epoch.
    """
    text = expiry_time(options)
    if text is None:
        return
    fields = time.strptime(text.rstrip("Z").ljust(14, "0"), "%Y%m%d%H%M%S")
    if (calendar.timegm(fields) if text.endswith("Z") else time.mktime(fields)) <= now:
        yield error(
            "options-expired",
            _SUBJECT,
            f"expiry-time has passed, so no pushed key logs in ({text})",
            "Remove expiry-time, or set a later time",
        )
    if sshd is None or not text.endswith("Z"):
        return
    try:
        version = sshd.version() or _UTC_SINCE
    except MachineError:
        return  # other checks find that sshd cannot be run
    if version < _UTC_SINCE:
        yield error(
            "options-not-supported",
            _SUBJECT,
            f"OpenSSH {version[0]}.{version[1]} ignores each key with a Z in expiry-time ({text})",
            "Write the local time, without Z",
        )
