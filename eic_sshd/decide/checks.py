# SPDX-License-Identifier: Apache-2.0
"""The checks of a pushed key that need nothing but the key, its block and the time.

Each raises NotGranted with its own reason.
"""

from __future__ import annotations

import re
from typing import Optional, Sequence

from ..config.schema import KeysSettings
from ..model import public_key
from ..model.public_key import KeyPolicy, PublicKey
from ..model.reasons import NotGranted, Reason
from ..model.signed_key import Block
from ..model.verdict import Verdict

USER_NAME = re.compile(
    r"[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?"
    r"|(?=.{2,32}$)[0-9]{1,32}[A-Za-z@._-][A-Za-z0-9@._-]*[A-Za-z0-9$_-]?"
)
"""The whole of an OS user's name that EC2 Instance Connect can carry: InstanceOSUser in the service model of
SendSSHPublicKey (version 2018-04-02). A name of digits only is not one: it could be mistaken for a uid."""


def require_user_name(user: str) -> None:
    """EC2 Instance Connect can carry the name."""
    if not USER_NAME.fullmatch(user):
        raise NotGranted(Reason.USER_NAME_INVALID, f"EC2 Instance Connect cannot carry the user name {user[:64]!r}")


def require_instance(block: Block, instance_id: str) -> None:
    """The block was signed for this instance."""
    if block.instance != instance_id:
        pushed_to = f"the key was pushed to {block.instance[:64]}"
        raise NotGranted(Reason.INSTANCE_MISMATCH, f"{pushed_to}, this is {instance_id}")


def require_region(region: str, allowed: Sequence[str]) -> None:
    """The site allows the region; if it lists none, every region is allowed."""
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


def require_not_ended(until: float, monotonic: float) -> None:
    """The block, which this process has seen before, has not ended on the monotonic clock."""
    if monotonic >= until:
        ago = f"{monotonic - until:.0f} s ago"
        raise NotGranted(
            Reason.EXPIRED, f"the key expired {ago} by this process's clock; the system clock was set back"
        )


def seconds_valid(block: Block, now: float, keys: KeysSettings) -> float:
    """For how many seconds from `now` on the block may be granted at most.

    A block that is not valid at `now` may become valid later, since NTP steps a clock: for one window at most, whatever
    the clock shows then.
    """
    left = block.timestamp - now
    longest = float(keys.window + keys.clock_skew)
    return left if 0 < left <= longest else longest


def key_of(block: Block) -> PublicKey:
    """The block's key is one whole OpenSSH public key: this one."""
    try:
        return public_key.parse(block.key_line.rstrip())
    except public_key.MalformedKey as problem:
        raise NotGranted(Reason.KEY_MALFORMED, str(problem)) from None


def require_allowed(key: PublicKey, policy: KeyPolicy) -> None:
    """The key is of an allowed type and length."""
    try:
        policy.verify(key)
    except public_key.ForbiddenType as problem:
        raise NotGranted(Reason.KEY_TYPE_FORBIDDEN, str(problem)) from None
    except public_key.TooShort as problem:
        raise NotGranted(Reason.KEY_TOO_SHORT, str(problem)) from None


def require_fingerprint(key: PublicKey, fingerprint: Optional[str]) -> None:
    """The key is the one that sshd asks for, if it asks for one."""
    if fingerprint is not None and not key.has_fingerprint(fingerprint):
        raise other_key()


def other_key() -> NotGranted:
    """The refusal where other keys are pushed than the one that sshd asks for."""
    return NotGranted(Reason.FINGERPRINT_MISMATCH, "the client offered a key that is not pushed")


# From the reason that explains least why the requested key was not granted to the one that explains most.
_SPECIFICITY = (
    Reason.FINGERPRINT_MISMATCH,
    Reason.BLOCK_MALFORMED,
    Reason.BAD_SIGNATURE,
    Reason.INSTANCE_MISMATCH,
    Reason.EXPIRED,
    Reason.EXPIRY_BEYOND_WINDOW,
    Reason.KEY_MALFORMED,
    Reason.KEY_TYPE_FORBIDDEN,
    Reason.KEY_TOO_SHORT,
    Reason.CALLER_MISSING,
    Reason.CALLER_MALFORMED,
    Reason.CALLER_FORBIDDEN,
    Reason.GROUPS_UNKNOWN,
)


def most_specific(verdicts: Sequence[Verdict], not_judged: int = 0) -> NotGranted:
    """The refusal to report for refused blocks, at least one: that of the first most specific one.

    It says how many others there are, and how many more (`not_judged`) were not looked at.
    """
    refused = max(verdicts, key=lambda verdict: _SPECIFICITY.index(verdict.reason))
    numbers = [f"{len(verdicts) - 1} more refused"] if len(verdicts) > 1 else []
    numbers += [f"{not_judged} more not looked at"] if not_judged else []
    detail = f"{refused.detail} ({', '.join(numbers)})" if numbers else refused.detail
    return NotGranted(refused.reason, detail, verdicts)
