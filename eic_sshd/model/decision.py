# SPDX-License-Identifier: Apache-2.0
"""One decision, as a value."""

from __future__ import annotations

import enum
from typing import List, Optional, Tuple

from ..invocation import Invocation
from .outcome import Outcome
from .public_key import PublicKey
from .reasons import Reason
from .value import Value
from .verdict import Verdict


class Source(enum.Enum):
    """Where the answer came from."""

    IMDS = "imds"
    CACHE = "cache"
    FILE = "file"


class Decision(Value):
    """One decision on `invocation`. `expires` is in seconds since the epoch, `elapsed_us` in microseconds.

    `callers`, `request_ids` and `policies` (those that allow it) have the latest first. `verdicts` are those of the
    pushed blocks, where these were judged. `options` are the authorized_keys options that each of `keys` gets.
    """

    invocation: Invocation
    reason: Reason
    detail: str
    keys: Tuple[PublicKey, ...] = ()
    callers: Tuple[str, ...] = ()
    request_ids: Tuple[str, ...] = ()
    expires: Optional[int] = None
    instance_id: Optional[str] = None
    source: Optional[Source] = None
    elapsed_us: Optional[int] = None
    policies: Tuple[str, ...] = ()
    verdicts: Tuple[Verdict, ...] = ()
    options: str = ""

    @property
    def outcome(self) -> Outcome:
        """Whether a key was granted, and if not, whether that was a refusal or an error (see `Outcome`)."""
        return self.reason.outcome

    @property
    def lines(self) -> List[str]:
        """What sshd gets: its authorized_keys lines."""
        before = f"{self.options} " if self.options else ""
        return [f"{before}{key.authorized_keys_line}" for key in self.keys]
