# SPDX-License-Identifier: Apache-2.0
"""What one process caches between decisions, and for how long (never that a user has no keys).

The caller passes the time in, on two clocks: `now` is the wall clock, in seconds since the epoch, which may be set;
`monotonic` is time.monotonic, which cannot be set. Several threads may call every method.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Dict, Iterator, Optional, Tuple

from ..model.deadline import Deadline
from ..model.public_key import PublicKey
from ..model.reasons import NotGranted, Reason
from ..model.signed_key import Block
from ..model.value import Value

if TYPE_CHECKING:
    from ..trust.signer import Signer

# Seconds for which a verified chain is cached at most, whatever its certificates and staples allow.
_SIGNER_LIFETIME = 3600
# Grants (a user and a key) that are cached at one time. A further one is granted, but not cached.
_MAX_GRANTS = 1024
# Verified blocks whose end is stored, some 200 bytes each.
_MAX_BLOCKS = 8192


class Location(Value):
    """Where this instance runs; it does not change while it runs."""

    region: str
    domain: str


class GrantedBlock(Value):
    """A block that passed every check; it ends at `until` on the monotonic clock, whatever the wall clock shows.

    `policies` are those that allow it.
    """

    block: Block
    until: float
    policies: Tuple[str, ...] = ()


class Grant(Value):
    """A key, with every granted block that carried it: one or more."""

    key: PublicKey
    blocks: Tuple[GrantedBlock, ...]
    instance_id: str


class _Verified(Value):
    pem: bytes
    signer: Signer
    since: float
    until: float
    until_monotonic: float


class Cache:
    """Empty at first.

    `instance_id` is stored once the hardware confirmed it, `location` once a signer of it was verified.
    """

    def __init__(self, before: Optional[Cache] = None) -> None:
        """`before` is the cache that this one replaces: the ends of its blocks are kept, and nothing else."""
        self._lock = threading.Lock()
        self._signer_lock = threading.Lock()
        self.instance_id: Optional[str] = None
        self.location: Optional[Location] = None
        self._verified: Optional[_Verified] = None
        self._ends: Dict[bytes, float] = {} if before is None else dict(before._ends)
        self._grants: Dict[Tuple[str, str], Grant] = {}

    @contextlib.contextmanager
    def signer_lock(self, deadline: Deadline) -> Iterator[None]:
        """One thread at a time verifies a signer, so that many simultaneous logins verify a chain once."""
        if not self._signer_lock.acquire(timeout=max(deadline.remaining(), 0)):
            raise NotGranted(Reason.DEADLINE_EXCEEDED, "the signer was still being verified for another login")
        try:
            yield
        finally:
            self._signer_lock.release()

    def signer(self, now: float, monotonic: float, pem: Optional[bytes] = None) -> Optional[Signer]:
        """The verified signer (of the chain with exactly these bytes, if `pem` is given), if it is still valid."""
        verified = self._verified
        if verified is None or not verified.since <= now < verified.until or monotonic >= verified.until_monotonic:
            return None  # also where the clock was set back
        if pem is not None and pem != verified.pem:
            return None
        return verified.signer

    def store_signer(self, pem: bytes, signer: Signer, now: float, monotonic: float) -> None:
        """Keep the signer that was verified for the chain `pem`: for an hour, or until its `valid_until`."""
        until = min(signer.valid_until, now + _SIGNER_LIFETIME)
        self._verified = _Verified(pem, signer, now, until, monotonic + until - now)

    def block_end(self, block: Block, monotonic: float, seconds: float) -> float:
        """When the block, whose signature is verified, ends on the monotonic clock: `seconds` after it was first seen.

        So a wall clock that is set back makes no block valid again. When the cache is full, a new block is not stored:
        it ends `seconds` from now.
        """
        digest = _digest(block)
        with self._lock:
            if len(self._ends) >= _MAX_BLOCKS:
                return self._ends.get(digest, monotonic + seconds)
            return self._ends.setdefault(digest, monotonic + seconds)

    def grant(self, user: str, fingerprint: str, monotonic: float) -> Optional[Grant]:
        """The key of that fingerprint that was granted to `user`, with those of its blocks that have not ended."""
        found = self._grants.get((user, fingerprint))
        return None if found is None else _without_ended(found, monotonic)

    def store_grant(self, user: str, fingerprint: str, grant: Grant, monotonic: float) -> None:
        """Cache `grant` for this user and fingerprint until its last block ends."""
        with self._lock:
            if any(_digest(one.block) not in self._ends for one in grant.blocks):
                return  # its end is not stored, so IMDS must confirm it each time
            if len(self._grants) >= _MAX_GRANTS:
                self._grants = {
                    at: one for at, one in self._grants.items() if _without_ended(one, monotonic) is not None
                }
            if len(self._grants) < _MAX_GRANTS:
                self._grants[user, fingerprint] = grant


def _digest(block: Block) -> bytes:
    import hashlib  # late: it is slow to load, and a process that only runs the chained command needs none of it

    return hashlib.sha256(block.signed).digest()


def _without_ended(grant: Grant, monotonic: float) -> Optional[Grant]:
    blocks = tuple(one for one in grant.blocks if one.until > monotonic)
    return grant._replace(blocks=blocks) if blocks else None
