# SPDX-License-Identifier: Apache-2.0
"""What one process remembers between decisions, and for how long (never that a user has no keys).

Whoever asks passes the time in; every method may be called from several threads.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .deadline import Deadline
from .decision import NotGranted, Reason
from .keyblob import Block
from .sshkey import PublicKey

if TYPE_CHECKING:
    from .signer import Signer

# Seconds for which a verified chain is believed at the most, whatever its certificates and staples say.
_SIGNER_LIFETIME = 3600
# Users times keys that may be granted at one time; a login more is asked of IMDS again, and granted all the same.
_MOST_GRANTS = 1024


class Place(NamedTuple):
    """Where this instance runs, which does not change while it runs."""

    region: str
    domain: str


class Grant(NamedTuple):
    """A key that passed every check, with the block that carried it."""

    block: Block
    key: PublicKey
    instance_id: str


class _Verified(NamedTuple):
    pem: bytes
    signer: Signer
    since: float
    until: float


class _Kept(NamedTuple):
    """A grant, and when it expires on a clock that nobody sets."""

    grant: Grant
    until_monotonic: float


class Memory:
    """Empty at first. `instance_id` is remembered once the hardware confirmed it, `place` once a
    signer of it was verified.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verifying = threading.Lock()
        self.instance_id: Optional[str] = None
        self.place: Optional[Place] = None
        self._verified: Optional[_Verified] = None
        self._grants: Dict[Tuple[str, PublicKey], _Kept] = {}

    @contextlib.contextmanager
    def verifying(self, deadline: Deadline) -> Iterator[None]:
        """One thread at a time looks after the signer, so that a storm of logins verifies a chain once."""
        if not self._verifying.acquire(timeout=max(deadline.remaining(), 0)):
            raise NotGranted(Reason.DEADLINE_EXCEEDED, "the signer was still being verified for another login")
        try:
            yield
        finally:
            self._verifying.release()

    def signer(self, now: float, pem: Optional[bytes] = None) -> Optional[Signer]:
        """The verified signer (of the chain with exactly these bytes, if `pem` is given), if it still holds."""
        verified = self._verified
        if verified is None or not verified.since <= now < verified.until:
            return None  # also where the clock was set back
        if pem is not None and pem != verified.pem:
            return None
        return verified.signer

    def remember_signer(self, pem: bytes, signer: Signer, now: float) -> None:
        self._verified = _Verified(pem, signer, now, min(signer.valid_until, now + _SIGNER_LIFETIME))

    def grant(self, user: str, fingerprint: str, now: float, monotonic: float) -> Optional[Grant]:
        """A key of that fingerprint that was granted to `user` and has not expired, by either clock."""
        with self._lock:
            self._forget_expired(now, monotonic)
            found = [kept.grant for (name, _), kept in self._grants.items() if name == user]
        return next((grant for grant in found if grant.key.has_fingerprint(fingerprint)), None)

    def remember_grants(self, user: str, grants: List[Grant], now: float, monotonic: float) -> None:
        """Remember these until their own Timestamp."""
        with self._lock:
            self._forget_expired(now, monotonic)
            for grant in grants:
                if len(self._grants) < _MOST_GRANTS:
                    self._grants[user, grant.key] = _Kept(grant, monotonic + grant.block.timestamp - now)

    def _forget_expired(self, now: float, monotonic: float) -> None:
        kept = self._grants.items()
        self._grants = {
            at: one for at, one in kept if one.grant.block.timestamp > now and one.until_monotonic > monotonic
        }
