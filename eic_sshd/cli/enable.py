# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd enable`: has sshd ask eic-sshd."""

from __future__ import annotations

import argparse

from ..setup.enable import enable
from ..sshd.drop_in import Existing
from ._administering import administering, configure_dry_run

HELP = "have sshd ask eic-sshd for keys; another AuthorizedKeysCommand stays, unless one of these options is given"


def configure(parser: argparse.ArgumentParser) -> None:
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--chain",
        dest="existing",
        action="store_const",
        const=Existing.CHAIN,
        default=Existing.KEEP,
        help="where sshd has another AuthorizedKeysCommand, go before it and run it too",
    )
    existing.add_argument(
        "--replace",
        dest="existing",
        action="store_const",
        const=Existing.REPLACE,
        help="where sshd has another AuthorizedKeysCommand, go before it; it is not run until eic-sshd is disabled",
    )
    configure_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    return administering(arguments, lambda site: enable(site, arguments.existing))
