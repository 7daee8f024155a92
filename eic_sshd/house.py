# SPDX-License-Identifier: Apache-2.0
"""Puts the rooms together: the real world for an authorizer, as the configuration asks."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Optional

from . import fallback, libraries
from .authorizer import World
from .decision import NotGranted
from .hardware import AnyHardware, Ec2Hardware
from .imds import Imds, ImdsState
from .settings import Config

if TYPE_CHECKING:
    from .signer import SignerVerifier


def world(config: Config, state: Optional[ImdsState] = None) -> World:
    """IMDS over the network, sysfs, the clocks; worlds of several threads may share `state`."""
    return World(
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
        from . import roots, signer  # noqa: F401


def _verifier(config: Config) -> SignerVerifier:
    with libraries.loading():  # late: cryptography is slow to load, and most logins need none of it
        from . import roots
        from .signer import SignerVerifier

        libraries.try_cryptography()

    return SignerVerifier(config, roots.configured(config.trust))
