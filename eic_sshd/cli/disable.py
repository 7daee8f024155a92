# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd disable`: removes eic-sshd from sshd's configuration."""

from __future__ import annotations

import argparse

from ..setup.disable import disable
from ._admin import CHANGE_FAILED, configure_dry_run, run_as_admin

HELP = "remove eic-sshd from sshd's configuration; what the site had before applies again"
EXAMPLE = """\
Print what would be removed from sshd's configuration, and change nothing:
  eic-sshd disable --dry-run
"""
EXIT_STATUS = {
    1: CHANGE_FAILED,
    3: "Failure, and sshd may still run eic-sshd.",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `eic-sshd disable`."""
    configure_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Remove eic-sshd from the configuration of sshd. Returns the exit status of `run_as_admin`."""
    return run_as_admin(arguments, disable)
