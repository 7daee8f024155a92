# SPDX-License-Identifier: Apache-2.0
"""Which paths of one IMDS, or whether all of them, are not requested again yet after a request timed out.

The clients of one IMDS share it, so that a login does not wait where another login has just waited in vain. It makes no
request itself. Times are seconds of the clock that the deadlines use.
"""

from __future__ import annotations

from typing import Dict

from .bounded import Limit

TOKEN_PATH = "api/token"  # noqa: S105 - a path
# Seconds for which a path that timed out is not requested.
_BACKOFF = 5.0


class Availability:
    """The back-off of one IMDS: a time for each path, and one for all of them."""

    def __init__(self) -> None:
        self._retry_at = 0.0
        self._path_retry_at: Dict[str, float] = {}

    def retry_after(self, path: str, now: float) -> float:
        """Seconds until `path` may be requested; zero or less when it may be requested now."""
        return max(self._retry_at, self._path_retry_at.get(path, 0.0)) - now

    def record_timeout(self, path: str, now: float, limit: Limit) -> None:
        """A request for `path`, made within `limit`, timed out.

        All paths are backed off from if IMDS accepted no connection or gave no token, or if a second path times out as
        well; otherwise `path` alone is. A time-out on a kept connection is not counted as that of a second path: the
        connection may be the only thing that is dead.
        """
        recent = {other: until for other, until in self._path_retry_at.items() if until > now}
        if not limit.connected or path == TOKEN_PATH or (limit.connecting and set(recent) - {path}):
            self._retry_at = now + _BACKOFF
        self._path_retry_at = {**recent, path: now + _BACKOFF}
