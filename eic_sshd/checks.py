# SPDX-License-Identifier: Apache-2.0
"""The checks of a pushed key that need nothing but the key, its block and the time.

Each raises NotGranted with the reason that it is there for.
"""

from __future__ import annotations

import re
from typing import Optional, Sequence

from . import sshkey
from .decision import NotGranted, Reason
from .keyblob import Block
from .settings import KeysSettings
from .sshkey import KeyPolicy, PublicKey

# The names that EC2 Instance Connect carries: InstanceOSUser in the API reference of SendSSHPublicKey.
_USER_NAME = r"[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?"


def require_user_name(user: str) -> None:
    """EC2 Instance Connect can carry the name."""
    if not re.fullmatch(_USER_NAME, user):
        raise NotGranted(Reason.USER_NAME_INVALID, f"EC2 Instance Connect cannot carry the user name {user[:64]!r}")


def require_instance(block: Block, instance_id: str) -> None:
    """The block was signed for this instance."""
    if block.instance != instance_id:
        pushed_to = f"the key was pushed to {block.instance[:64]}"
        raise NotGranted(Reason.INSTANCE_MISMATCH, f"{pushed_to}, this is {instance_id}")


def require_region(region: str, allowed: Sequence[str]) -> None:
    """The site allows the region; where it names none, every region is allowed."""
    if allowed and region not in allowed:
        raise NotGranted(
            Reason.REGION_MISMATCH,
            f"IMDS reports region {region}, but [instance] region allows only {' '.join(allowed)}",
        )


def require_fresh(block: Block, now: float, keys: KeysSettings) -> None:
    """The key is valid at `now` (seconds since the epoch), and for no longer than a push makes it."""
    if block.timestamp <= now:
        raise NotGranted(Reason.EXPIRED, f"the key expired {now - block.timestamp:.0f} s ago")
    if block.timestamp > now + keys.window + keys.clock_skew:
        ahead = f"{block.timestamp - now:.0f} s ahead"
        raise NotGranted(Reason.EXPIRY_BEYOND_WINDOW, f"the key's Timestamp lies {ahead}")


def key_of(block: Block) -> PublicKey:
    """The block's key is one whole OpenSSH public key: this one."""
    try:
        return sshkey.parse(block.key_line.rstrip())
    except sshkey.MalformedKey as problem:
        raise NotGranted(Reason.KEY_MALFORMED, str(problem)) from None


def require_allowed(key: PublicKey, policy: KeyPolicy) -> None:
    """The key is of an allowed type and length."""
    try:
        policy.verify(key)
    except sshkey.ForbiddenType as problem:
        raise NotGranted(Reason.KEY_TYPE_FORBIDDEN, str(problem)) from None
    except sshkey.TooShort as problem:
        raise NotGranted(Reason.KEY_TOO_SHORT, str(problem)) from None


def require_fingerprint(key: PublicKey, fingerprint: Optional[str]) -> None:
    """The key is the one that sshd asks for, if it asks for one."""
    if fingerprint is not None and not key.has_fingerprint(fingerprint):
        raise NotGranted(Reason.FINGERPRINT_MISMATCH, "the client offered a key that is not pushed")


# From the refusal that says least about why the asked-for key was not granted to the one that says most.
_TELLING = (
    Reason.FINGERPRINT_MISMATCH,
    Reason.BLOCK_MALFORMED,
    Reason.BAD_SIGNATURE,
    Reason.INSTANCE_MISMATCH,
    Reason.EXPIRED,
    Reason.EXPIRY_BEYOND_WINDOW,
    Reason.KEY_MALFORMED,
    Reason.KEY_TYPE_FORBIDDEN,
    Reason.KEY_TOO_SHORT,
)


def most_telling(refusals: Sequence[NotGranted]) -> NotGranted:
    """Of several refused blocks (one at least) the refusal to report, saying how many there were."""
    first = max(refusals, key=lambda refusal: _TELLING.index(refusal.reason))
    others = len(refusals) - 1
    return NotGranted(first.reason, f"{first.detail} ({others} more refused)") if others else first
