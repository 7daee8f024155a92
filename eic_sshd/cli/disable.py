# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd disable`: has sshd no longer ask eic-sshd."""

from __future__ import annotations

import argparse

from ..setup.disable import disable
from ._administering import administering, configure_dry_run

HELP = "have sshd no longer ask eic-sshd; what was there before is in force again"


def configure(parser: argparse.ArgumentParser) -> None:
    configure_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    return administering(arguments, disable)
