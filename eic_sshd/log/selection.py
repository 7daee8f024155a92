# SPDX-License-Identifier: Apache-2.0
"""Which connections are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .connection import Connection


@dataclass(frozen=True)
class Selection:
    """Connections that began in a time (microseconds since the epoch) and have all of these; None is any.

    `caller` is a part of the caller's ARN, `fingerprint` the begin of a key's fingerprint. Unless `everything` is set,
    connections that ended before sshd ran eic-sshd, and had no login, are left out.
    """

    since: Optional[int] = None
    until: Optional[int] = None
    user: Optional[str] = None
    caller: Optional[str] = None
    reason: Optional[str] = None
    fingerprint: Optional[str] = None
    everything: bool = False

    def has(self, connection: Connection) -> bool:
        """Whether it is shown."""
        attempts, login = connection.attempts, connection.login
        keys = [key for one in attempts for key in one.fingerprints] + [(login and login.fingerprint) or ""]
        return (
            (self.everything or bool(attempts) or login is not None)
            and (self.since is None or connection.began >= self.since)
            and (self.until is None or connection.began <= self.until)
            and self.user in (None, connection.user)
            and (self.caller is None or any(self.caller in one.caller for one in attempts))
            and (self.reason is None or any(self.reason == one.reason for one in attempts))
            and (self.fingerprint is None or any(key.startswith(self.fingerprint) for key in keys))
        )
