# SPDX-License-Identifier: Apache-2.0
"""Everything outside that a decision uses; and the real dependencies, built from the configuration."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Callable, Optional

from ..config.schema import Config
from ..host import accounts, libraries
from ..host.groups import Groups
from ..host.hardware import AnyHardware, Ec2Hardware, Hardware
from ..host.timed_calls import TimedCalls
from ..imds.client import Imds, ImdsState
from ..model.deadline import Clock
from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from . import fallback
from .fallback import KeysOnDisk

if TYPE_CHECKING:
    from ..trust.roots import Roots
    from ..trust.signer import SignerVerifier


# Seconds for the trusted roots to be read: [trust] ca_file may be on a network file system.
_ROOTS_TIMEOUT = 1.0
_reads = TimedCalls(4)


class Dependencies(Value):
    """`verifier` is called only when a signer must be verified; the clocks give seconds (time.time, time.monotonic).

    `groups` looks up the groups of users, and `uid_min` is the least uid of an ordinary user.
    """

    imds: Imds
    hardware: Hardware
    verifier: Callable[[], SignerVerifier]
    keys_on_disk: KeysOnDisk
    now: Clock
    monotonic: Clock
    groups: Groups
    uid_min: int


def build(config: Config, state: Optional[ImdsState] = None, groups: Optional[Groups] = None) -> Dependencies:
    """IMDS over the network, sysfs, the clocks. The dependencies of several threads may share `state` and `groups`."""
    return Dependencies(
        imds=Imds(config.imds.endpoint, config.imds.request_timeout, state),
        hardware=Ec2Hardware() if config.instance.require_ec2_hardware else AnyHardware(),
        verifier=lambda: _verifier(config),
        keys_on_disk=fallback.configured(config),
        now=time.time,
        monotonic=time.monotonic,
        groups=groups or Groups(),
        uid_min=accounts.uid_min() if config.policy else 0,
    )


def load_all() -> None:
    """Load what is otherwise loaded when it is first needed."""
    with contextlib.suppress(NotGranted), libraries.loading():  # the first decision that needs it says what is missing
        from ..trust import roots, signer  # noqa: F401


def _verifier(config: Config) -> SignerVerifier:
    with libraries.loading():  # late: cryptography is slow to load, and most logins need none of it
        from ..trust import roots
        from ..trust.signer import SignerVerifier

        libraries.try_cryptography()

    roots_for = roots.configured(config.trust)
    return SignerVerifier(config, lambda domain: _in_time(lambda: roots_for(domain)))


def _in_time(read_roots: Callable[[], Roots]) -> Roots:
    try:
        return _reads.call(read_roots, _ROOTS_TIMEOUT)
    except TimeoutError as error:
        raise NotGranted(Reason.DEADLINE_EXCEEDED, f"the trusted roots could not be read: {error}") from error
