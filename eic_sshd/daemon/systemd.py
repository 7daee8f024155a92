# SPDX-License-Identifier: Apache-2.0
"""What the daemon has to do with systemd: readiness, the watchdog, and the socket that is handed over."""

from __future__ import annotations

import os
import socket
import time
from typing import Optional


def notify(state: str) -> None:
    """Send `state` to systemd (sd_notify(3)), if it started this process."""
    if "NOTIFY_SOCKET" in os.environ:
        import systemd.daemon

        systemd.daemon.notify(state)


class Watchdog:
    """Pings systemd's watchdog, at half of the interval that it sets (sd_watchdog_enabled(3))."""

    def __init__(self) -> None:
        self._interval = int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000  # seconds
        self._next = time.monotonic()

    def ping(self) -> None:
        """No decision hangs. May be called at any time, as often as it is convenient."""
        if self._interval and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._interval
            notify("WATCHDOG=1")


def inherited_listener() -> Optional[socket.socket]:
    """The Unix stream socket that systemd handed over (sd_listen_fds(3)); None where it is not exactly one."""
    import systemd.daemon

    descriptors = systemd.daemon.listen_fds()
    if len(descriptors) != 1 or not systemd.daemon.is_socket_unix(descriptors[0], socket.SOCK_STREAM, 1):
        return None
    return socket.socket(fileno=descriptors[0])
