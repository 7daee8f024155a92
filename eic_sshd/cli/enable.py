# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd enable`: configures sshd to run eic-sshd."""

from __future__ import annotations

import argparse

from ..setup.enable import Existing, enable, renew
from ._admin import CHANGE_FAILED, configure_dry_run, run_as_admin

HELP = "configure sshd to run eic-sshd; another AuthorizedKeysCommand is kept, unless one of these options is given"
EXAMPLE = """\
Print what would be done, and change nothing:
  eic-sshd enable --dry-run
Put eic-sshd in front of the AuthorizedKeysCommand that the site has:
  eic-sshd enable --chain
"""
EXIT_STATUS = {1: CHANGE_FAILED}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `eic-sshd enable`."""
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--chain",
        dest="existing",
        action="store_const",
        const=Existing.CHAIN,
        default=Existing.KEEP,
        help="put eic-sshd in front of the existing AuthorizedKeysCommand; eic-sshd then runs both",
    )
    existing.add_argument(
        "--replace",
        dest="existing",
        action="store_const",
        const=Existing.REPLACE,
        help="put eic-sshd in place of the existing AuthorizedKeysCommand, which does not run until `eic-sshd disable`",
    )
    existing.add_argument(
        "--renew",
        dest="existing",
        action="store_const",
        const=None,
        help="only replace the lines that an older version wrote, if sshd uses them; upgrades of the packages do this",
    )
    configure_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Add eic-sshd to the configuration of sshd. Returns the exit status of `run_as_admin`."""
    existing = arguments.existing
    return run_as_admin(arguments, renew if existing is None else lambda target: enable(target, existing))
