# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd serve`: the resident daemon."""

from __future__ import annotations

import argparse
import os
import sys

from ..host import libraries
from ..model.reasons import NotGranted
from ..paths import SOCKET

HELP = "run the resident daemon (systemd does that at the first login)"
EXAMPLE = """\
Run the daemon in the foreground, with a socket and a configuration for tests:
  eic-sshd serve --socket /run/eic-test.sock --config /root/test.conf
"""

# What systemd passes to a service; everything else in the environment is removed.
_FROM_SYSTEMD = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `eic-sshd serve`."""
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help=f"create the socket there (default: the one that systemd passes, otherwise {SOCKET})",
    )
    parser.add_argument("--config", metavar="FILE", help="the configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until it is idle or stopped. Returns the exit status."""
    for name in set(os.environ) - set(_FROM_SYSTEMD):
        del os.environ[name]
    try:
        with libraries.loading():
            from ..daemon import (
                resident,  # after the environment is clean, and only where it is needed: it is slow to load
            )

            if {"LISTEN_FDS", "NOTIFY_SOCKET"} & set(os.environ):
                import systemd.daemon  # noqa: F401 - from which the socket comes
    except NotGranted as problem:
        print(f"eic-sshd: {problem}. {problem.reason.remedy}", file=sys.stderr)
        return 1
    try:
        resident.serve(arguments.socket, arguments.config)
    except resident.CannotServe as problem:
        print(f"eic-sshd: {problem}", file=sys.stderr)
        return 1
    return 0
