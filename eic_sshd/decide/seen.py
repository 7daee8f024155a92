# SPDX-License-Identifier: Apache-2.0
"""What was seen of each rule that holds, in words. A rule without an entry here has no words of its own."""

from __future__ import annotations

import time
from typing import Callable, Dict, Optional, Tuple

from ..config.schema import Config
from ..host.hardware import AnyHardware, Hardware
from ..imds.saved import LAST_SECOND
from ..invocation import Invocation
from ..model.public_key import PublicKey
from ..model.signed_key import Block
from ..model.value import Value
from ..model.verdict import Rule
from .cache import Cache


class Facts(Value):
    """What a decision at `now` (seconds since the epoch), `monotonic` on the other clock, was made from.

    `cache` has what it found out: the id of the instance, and the verified signer.
    """

    config: Config
    invocation: Invocation
    cache: Cache
    hardware: Hardware
    now: float
    monotonic: float


class BlockFacts(Value):
    """One block with its key (None if that is malformed) and the policies that allow it; and the login."""

    block: Block
    key: Optional[PublicKey]
    policies: Tuple[str, ...]
    login: Facts


class Seen(Value):
    """What was seen; `is_weak` where the rule holds only because the configuration requires little."""

    text: str
    is_weak: bool = False


def of_login(rule: Rule, facts: Facts) -> Seen:
    """What was seen of a rule about the login that holds."""
    describe = _LOGIN.get(rule)
    return Seen("") if describe is None else describe(facts)


def of_block(rule: Rule, facts: BlockFacts) -> Seen:
    """What was seen of a rule about blocks that the block meets."""
    describe = _BLOCK.get(rule)
    return Seen("") if describe is None else describe(facts)


def utc(seconds: float) -> str:
    """The time in UTC, as RFC 3339 has it; where it has none, which is after the year 9999, the number itself."""
    if not 0 <= seconds <= LAST_SECOND:
        return f"{seconds:.0f} seconds after 1970"
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def of_users(config: Config) -> str:
    """What was seen of rule 0 where it holds."""
    users = config.users
    if users.allow:
        return "[users] allow has the user"
    return "[users] does not deny or skip the user" if users.deny or users.skip else "[users] is not set"


def of_policies(config: Config, allowing: Tuple[str, ...]) -> str:
    """What was seen of rule 9 where it holds, because of the policies `allowing`."""
    if not config.policy:
        return "no [policy] is set: IAM decides who may push a key"
    return f"allowed by [policy] {', '.join(allowing)}"


def _user_name(facts: Facts) -> Seen:
    return Seen(facts.invocation.user)


def _hardware(facts: Facts) -> Seen:
    instance_id = facts.cache.instance_id
    named = f"IMDS reports {instance_id}" if instance_id else "the instance id was not read from IMDS"
    if isinstance(facts.hardware, AnyHardware):
        return Seen(f"any machine is accepted ([instance] require_ec2_hardware = no), {named}", is_weak=True)
    texts = [f"{path.rpartition('/')[2]} {text[:64]}" for path, text in facts.hardware.facts().items() if text]
    return Seen(", ".join([*texts, named]))


def _signer(facts: Facts) -> Seen:
    location, signer = facts.cache.location, facts.cache.signer(facts.now, facts.monotonic)
    if location is None or signer is None:
        return Seen("")
    name = f"managed-ssh-signer.{location.region}.{location.domain}, verified until {utc(signer.valid_until)}"
    if facts.config.trust.require_ocsp:
        return Seen(name)
    return Seen(f"{name}, without staples ([trust] require_ocsp = no)", is_weak=True)


def _signature(_: BlockFacts) -> Seen:
    return Seen("made by the signer")


def _instance(facts: BlockFacts) -> Seen:
    return Seen(facts.block.instance[:64])


def _time(facts: BlockFacts) -> Seen:
    end = facts.block.timestamp
    return Seen(f"valid until {utc(end)}, for {end - facts.login.now:.0f} s")


def _key(facts: BlockFacts) -> Seen:
    key = facts.key
    if key is None:
        return Seen("")
    return Seen(f"{key.key_type}, {key.bits} bits" if key.bits else key.key_type)


def _fingerprint(facts: BlockFacts) -> Seen:
    return Seen(facts.login.invocation.fingerprint or "any key is looked for")


_LOGIN: Dict[Rule, Callable[[Facts], Seen]] = {
    Rule.USER: lambda facts: Seen(of_users(facts.config)),
    Rule.USER_NAME: _user_name,
    Rule.HARDWARE: _hardware,
    Rule.SIGNER: _signer,
}
_BLOCK: Dict[Rule, Callable[[BlockFacts], Seen]] = {
    Rule.SIGNATURE: _signature,
    Rule.INSTANCE: _instance,
    Rule.TIME: _time,
    Rule.KEY: _key,
    Rule.FINGERPRINT: _fingerprint,
    Rule.POLICY: lambda facts: Seen(of_policies(facts.login.config, facts.policies)),
}
