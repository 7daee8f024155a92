# SPDX-License-Identifier: Apache-2.0
"""What the decision found out about each pushed block, as a value that can be explained."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Optional, Tuple

from .reasons import Reason
from .value import Value

if TYPE_CHECKING:  # a process that only runs the chained command needs neither
    from .public_key import PublicKey
    from .signed_key import Block


class Rule(enum.IntEnum):
    """The rules of a decision, by their numbers in decide/authorizer.py and in the README."""

    USER = 0
    USER_NAME = 1
    HARDWARE = 2
    SIGNER = 3
    SIGNATURE = 4
    INSTANCE = 5
    TIME = 6
    KEY = 7
    FINGERPRINT = 8
    POLICY = 9


_RULES = {
    Reason.USER_FORBIDDEN: Rule.USER,
    Reason.USER_SKIPPED: Rule.USER,
    Reason.USER_NAME_INVALID: Rule.USER_NAME,
    Reason.NOT_EC2: Rule.HARDWARE,
    Reason.SIGNER_NAME_MISMATCH: Rule.SIGNER,
    Reason.SIGNER_UNTRUSTED: Rule.SIGNER,
    Reason.SIGNER_REVOKED: Rule.SIGNER,
    Reason.STAPLE_MISSING: Rule.SIGNER,
    Reason.STAPLE_INVALID: Rule.SIGNER,
    Reason.DOMAIN_UNKNOWN: Rule.SIGNER,
    Reason.REGION_MISMATCH: Rule.SIGNER,
    Reason.BAD_SIGNATURE: Rule.SIGNATURE,
    Reason.INSTANCE_MISMATCH: Rule.INSTANCE,
    Reason.EXPIRED: Rule.TIME,
    Reason.EXPIRY_BEYOND_WINDOW: Rule.TIME,
    Reason.KEY_MALFORMED: Rule.KEY,
    Reason.KEY_TYPE_FORBIDDEN: Rule.KEY,
    Reason.KEY_TOO_SHORT: Rule.KEY,
    Reason.FINGERPRINT_MISMATCH: Rule.FINGERPRINT,
    Reason.CALLER_FORBIDDEN: Rule.POLICY,
    Reason.CALLER_MISSING: Rule.POLICY,
    Reason.CALLER_MALFORMED: Rule.POLICY,
}


def broken_rule(reason: Reason) -> Optional[Rule]:
    """The rule that a decision with this reason found broken; None where it is not about a rule."""
    return _RULES.get(reason)


class Verdict(Value):
    """What one block led to: Reason.GRANTED, or the reason of the rule that it breaks; `detail` has what was seen.

    `block` is None where its text is malformed. `key`, `until` (the block's end, in seconds of time.monotonic) and
    `policies` (those that allow it) are those of a granted block.
    """

    block: Optional[Block]
    reason: Reason
    detail: str
    key: Optional[PublicKey] = None
    until: float = 0.0
    policies: Tuple[str, ...] = ()

    @property
    def rule(self) -> Optional[Rule]:
        """The rule that the block breaks; None where it is granted, or malformed."""
        return broken_rule(self.reason)
