# SPDX-License-Identifier: Apache-2.0
"""One decision in this process: reads the configuration, decides, records."""

from __future__ import annotations

import os
import threading
from typing import List, Optional, Tuple

from . import config as config_files
from . import fallback, journal
from .authorizer import Authorizer, refuse
from .decision import Decision, NotGranted, Reason, Request
from .settings import Config

# Seconds past the decision's deadline after which this process ends, whatever it is still waiting for: a user database
# or a log that hangs can't be given a deadline of their own.
_GRACE = 0.25


def answer(request: Request, config_file: Optional[str]) -> List[str]:
    """The authorized_keys lines for sshd, after the record is written. `config_file` None is the packaged one."""
    config, refusal = _read(config_file)
    with _Watchdog(request, config):
        if refusal is None:
            from . import house  # imported late: requests is slow to load

            decision = Authorizer(config, house.world(config)).decide(request)
        else:
            decision = refuse(request, refusal, fallback.configured(config))
        journal.writer(config.log)(decision)
    return [key.authorized_keys_line for key in decision.keys]


def give_up(request: Request, reason: Reason, detail: str, config_file: Optional[str]) -> List[str]:
    """Record that no decision was reached; the lines are those of the configuration's fallback, if it has one."""
    config, refusal = _read(config_file)
    decision = refuse(request, refusal or NotGranted(reason, detail), fallback.configured(config))
    journal.writer(config.log)(decision)
    return [key.authorized_keys_line for key in decision.keys]


def _read(config_file: Optional[str]) -> Tuple[Config, Optional[NotGranted]]:
    """The configuration; where it does not read, what of it does, and the refusal that follows."""
    try:
        return config_files.load(config_file or config_files.DEFAULT_FILE, missing_ok=config_file is None), None
    except config_files.ConfigError as error:
        return error.salvaged, NotGranted(Reason.CONFIG_INVALID, str(error))


class _Watchdog:
    """Ends the process with nothing printed, and a record, when a decision does not come to its end by itself."""

    def __init__(self, request: Request, config: Config) -> None:
        self._request = request
        self._config = config
        self._timer = threading.Timer(config.imds.deadline + _GRACE, self._expired)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _expired(self) -> None:
        detail = "the user database, the disk or the log did not answer in time"
        decision = Decision(self._request, Reason.DEADLINE_EXCEEDED, detail)
        # The log may be what hangs, so it is not waited for either.
        recording = threading.Thread(target=journal.writer(self._config.log), args=(decision,), daemon=True)
        recording.start()
        recording.join(_GRACE)
        os._exit(0)
