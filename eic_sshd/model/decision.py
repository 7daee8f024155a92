# SPDX-License-Identifier: Apache-2.0
"""One decision, as a value."""

from __future__ import annotations

import enum
from typing import List, NamedTuple, Optional, Tuple

from .public_key import PublicKey
from .reasons import Outcome, Reason


class Source(enum.Enum):
    """Where the answer came from."""

    IMDS = "imds"
    CACHE = "cache"
    FILE = "file"


class Request(NamedTuple):
    """What sshd requests: whether the key with this fingerprint (any key, if None) may log in as `user`."""

    user: str
    fingerprint: Optional[str] = None
    sshd_pid: Optional[int] = None


class Decision(NamedTuple):
    """One decision. `expires` is in seconds since the epoch, `elapsed_us` in microseconds."""

    request: Request
    reason: Reason
    detail: str
    keys: Tuple[PublicKey, ...] = ()
    callers: Tuple[str, ...] = ()
    request_ids: Tuple[str, ...] = ()
    expires: Optional[int] = None
    instance_id: Optional[str] = None
    source: Optional[Source] = None
    elapsed_us: Optional[int] = None

    @property
    def outcome(self) -> Outcome:
        """Whether a key was granted, and if not, whether that was a refusal or an error (see `Outcome`)."""
        return self.reason.outcome

    @property
    def lines(self) -> List[str]:
        """What sshd gets: its authorized_keys lines."""
        return [key.authorized_keys_line for key in self.keys]
