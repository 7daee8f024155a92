# SPDX-License-Identifier: Apache-2.0
"""What the tests of IMDS share: servers that answer as a test says, and deadlines."""

from __future__ import annotations

import socket
import time
from typing import Dict, List, Optional

import pytest

from eic_sshd.imds.client import Imds
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted
from testbed.raw_http_server import Talk, response

KEYS = "managed-ssh-keys/active-keys/root"
CHAIN = "managed-ssh-keys/signer-cert"
STAPLES = "managed-ssh-keys/signer-ocsp"
SOON = 10.0  # seconds: a time that a busy machine keeps


class Clock:
    """A clock that the test moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def deadline(seconds: float = SOON) -> Deadline:
    return Deadline.after(seconds, time.monotonic)


def answering(answer: bytes) -> Talk:
    """Grants tokens; answers every read with `answer`."""

    def talk(peer: socket.socket, head: bytes) -> None:
        peer.sendall(response(200, b"a-token") if head.startswith(b"PUT") else answer)

    return talk


def having(bodies: Dict[str, bytes], read: Optional[List[str]] = None, statuses: Dict[str, int] = {}) -> Talk:  # noqa: B006
    """An IMDS with these bodies, and these statuses, by their paths. Paths that are read are added to `read`."""

    def talk(peer: socket.socket, head: bytes) -> None:
        if head.startswith(b"PUT"):
            peer.sendall(response(200, b"a-token"))
            return
        path = head.split(b" ")[1].decode().replace("/latest/meta-data/", "")
        if read is not None:
            read.append(path)
        status = statuses.get(path, 200 if path in bodies else 404)
        peer.sendall(response(status, bodies.get(path, b"")))

    return talk


def hang(peer: socket.socket, head: bytes) -> None:
    time.sleep(1.5)


def refused(endpoint: str, timeout: float = 10.0, whole: float = 30.0) -> NotGranted:
    with Imds(endpoint, timeout) as imds, pytest.raises(NotGranted) as caught:
        imds.active_keys("root", deadline(whole))
    return caught.value


def after(now: List[float], seconds: float) -> Deadline:
    """A deadline on a clock that only the test and time spent waiting move."""
    begun = time.monotonic()
    return Deadline(now[0] + seconds, lambda: now[0] + time.monotonic() - begun)
