# SPDX-License-Identifier: Apache-2.0
"""Puts the rooms together: the real dependencies for an authorizer, as the configuration asks."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Callable, Optional

from ..config.schema import Config
from ..host import libraries
from ..host.hardware import AnyHardware, Ec2Hardware
from ..host.timed_calls import TimedCalls
from ..imds.client import Imds, ImdsState
from ..model.reasons import NotGranted, Reason
from . import fallback
from .authorizer import Dependencies

if TYPE_CHECKING:
    from ..trust.roots import Roots
    from ..trust.signer import SignerVerifier


# Seconds for the disk to give the trusted roots: [trust] ca_file may lie on a network's.
_ROOTS_TIMEOUT = 1.0
_reads = TimedCalls(4)


def build(config: Config, state: Optional[ImdsState] = None) -> Dependencies:
    """IMDS over the network, sysfs, the clocks; worlds of several threads may share `state`."""
    return Dependencies(
        imds=Imds(config.imds.endpoint, config.imds.request_timeout, state),
        hardware=Ec2Hardware() if config.instance.require_ec2_hardware else AnyHardware(),
        verifier=lambda: _verifier(config),
        keys_on_disk=fallback.configured(config),
        now=time.time,
        monotonic=time.monotonic,
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
