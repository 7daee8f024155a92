# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd enable`: has sshd ask eic-sshd."""

from __future__ import annotations

import argparse

from ..enabling.enable import enable
from ._administering import administering, configure_dry_run

HELP = "have sshd ask eic-sshd for keys; another AuthorizedKeysCommand is never replaced"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--chain", action="store_true", help="where sshd has another AuthorizedKeysCommand, go before it and run it too"
    )
    configure_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    return administering(arguments, lambda site: enable(site, arguments.chain))
