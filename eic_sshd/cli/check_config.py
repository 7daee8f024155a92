# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd check-config`: says whether the configuration is valid, and what it comes to."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Sequence

from ..config.loader import DEFAULT_FILE, ConfigError, load
from ..config.schema import LEVELS
from ..diagnose import configuration
from ..host import libraries

HELP = "say whether the configuration is valid and (as root) fits sshd's, and every setting in force"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help=f"the configuration file (default: {DEFAULT_FILE})")
    parser.add_argument(
        "--fail-on",
        choices=("error", "warning"),
        default="error",
        help="end with status 1 if there is one (default: error); a warning is what keeps a pushed key from logging in "
        "though all is in place, such as `PubkeyAuthentication no`",
    )
    parser.add_argument(
        "--strict", dest="fail_on", action="store_const", const="warning", default="error", help="as --fail-on warning"
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        config = load(arguments.config or DEFAULT_FILE, missing_ok=arguments.config is None)
    except ConfigError as error:
        for problem in dict.fromkeys(error.problems):
            print(f"eic-sshd: {problem}", file=sys.stderr)
        print("eic-sshd: until this is mended no pushed key is handed out", file=sys.stderr)
        return 1
    problems, warnings = list(configuration.problems(config)), []
    if arguments.config is None and os.geteuid() == 0:
        from ..diagnose import installation, selinux
        from ._administering import this_machine

        site = this_machine(dry_run=True).site
        problems += [*installation.problems(site, config), *selinux.problems(), *libraries.problems()]
        warnings = list(installation.warnings(site, config))
    elif arguments.config is None and arguments.fail_on == "warning":
        problems.append("sshd's settings were not looked at, which only root can: run it as root")
    for problem in dict.fromkeys(problems):
        print(f"eic-sshd: {problem}", file=sys.stderr)
    for warning in dict.fromkeys(warnings):
        print(f"eic-sshd: warning: {warning}", file=sys.stderr)
    for section, keys in config._asdict().items():
        print(f"[{section}]")
        for key, value in keys._asdict().items():
            print(f"{key} = {_text(key, value)}".rstrip())
    return exit_status(arguments.fail_on, problems, warnings)


def exit_status(fail_on: str, problems: Sequence[str], warnings: Sequence[str]) -> int:
    """1 if there is anything of at least the weight of `fail_on`, or else 0."""
    return 1 if problems or (warnings and fail_on == "warning") else 0


def _text(key: str, value: object) -> str:
    if key == "level":
        return next(word for word, level in LEVELS.items() if level == value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, frozenset):
        return " ".join(sorted(value))
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else str(value)
