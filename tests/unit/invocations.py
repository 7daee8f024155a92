# SPDX-License-Identifier: Apache-2.0
"""Invocations as client.py makes them."""

from __future__ import annotations

import os
import time
from typing import Optional

from eic_sshd.invocation import Invocation


def invocation(
    socket_path: str,
    user: str = "root",
    fingerprint: Optional[str] = "f",
    config_file: Optional[str] = "/c",
    begun: Optional[float] = None,
) -> Invocation:
    """One that begins now, unless `begun` says otherwise."""
    return Invocation(
        user,
        fingerprint,
        os.getppid(),
        begun=time.monotonic() if begun is None else begun,
        config_file=config_file,
        socket_path=socket_path,
    )
