# SPDX-License-Identifier: Apache-2.0
"""One decision in this process: reads the configuration, puts the rooms together, decides, records."""

from __future__ import annotations

import os
import pwd
import threading
import time
from typing import TYPE_CHECKING, List, Optional

from . import config as config_files
from . import journal
from .authorizer import Authorizer, World, refuse
from .decision import Decision, NotGranted, Reason, Request
from .fallback import KeysFile
from .hardware import AnyHardware, Ec2Hardware
from .settings import Config
from .sshkey import KeyPolicy

if TYPE_CHECKING:
    from .signer import SignerVerifier


# Seconds past the decision's deadline after which this process ends, whatever it is still waiting for: a user database
# or a log that hangs can't be given a deadline of their own.
_GRACE = 0.25


def answer(request: Request, config_file: Optional[str]) -> List[str]:
    """The authorized_keys lines for sshd, after the record is written. `config_file` None is the packaged one."""
    try:
        path = config_file or config_files.DEFAULT_FILE
        config = config_files.load(path, missing_ok=config_file is None)
        refusal = None
    except config_files.ConfigError as error:
        config = error.salvaged
        refusal = NotGranted(Reason.CONFIG_INVALID, str(error))
    with _Watchdog(request, config):
        if refusal is None:
            decision = Authorizer(config, world(config)).decide(request)
        else:
            decision = refuse(request, refusal, _keys_file(config))
        journal.writer(config.log)(decision)
    return [key.authorized_keys_line for key in decision.keys]


class _Watchdog:
    """Ends the process with nothing printed, and a record, when a decision does not come to its end by itself."""

    def __init__(self, request: Request, config: Config) -> None:
        self._request = request
        self._config = config
        self._timer = threading.Timer(config.imds.deadline + _GRACE, self._give_up)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _give_up(self) -> None:
        detail = "the user database, the disk or the log did not answer in time"
        decision = Decision(self._request, Reason.DEADLINE_EXCEEDED, detail)
        # The log may be what hangs, so it is not waited for either.
        recording = threading.Thread(target=journal.writer(self._config.log), args=(decision,), daemon=True)
        recording.start()
        recording.join(_GRACE)
        os._exit(0)


def record_failure(request: Request, reason: Reason, detail: str, config_file: Optional[str]) -> None:
    """Record that no decision was reached, where the configuration, if it reads, says."""
    try:
        log = config_files.load(config_file or config_files.DEFAULT_FILE, missing_ok=config_file is None).log
    except config_files.ConfigError as error:
        log = error.salvaged.log
    journal.writer(log)(Decision(request, reason, detail))


def world(config: Config) -> World:
    """The real world: IMDS over the network, sysfs, the user database, the clocks."""
    from .imds import Imds

    return World(
        imds=Imds(config.imds.endpoint, config.imds.request_timeout),
        hardware=Ec2Hardware() if config.instance.require_ec2_hardware else AnyHardware(),
        user_exists=_user_exists,
        verifier=lambda: _verifier(config),
        keys_on_disk=_keys_file(config),
        now=time.time,
        monotonic=time.monotonic,
    )


def _verifier(config: Config) -> SignerVerifier:
    from . import roots
    from .signer import SignerVerifier  # imported late: cryptography is slow to load, and most logins need none of it

    return SignerVerifier(config, roots.configured(config.trust))


def _keys_file(config: Config) -> KeysFile:
    return KeysFile(config.fallback, KeyPolicy(config.keys.types, config.keys.min_rsa_bits))


def _user_exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
