# SPDX-License-Identifier: Apache-2.0
"""The notification of systemd that the sandbox is ready."""

from __future__ import annotations

import contextlib
import os
import socket


def notify_ready() -> None:
    """Notify systemd, where it waits for that: in a service of Type=notify (sd_notify(3)).

    A notification that cannot be sent is not reported here: systemd reports that the start timed out.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        channel.sendall(b"READY=1")
