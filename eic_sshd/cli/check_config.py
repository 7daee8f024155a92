# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd check-config`: reports what is wrong with the configuration, and prints every setting."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Iterator, Optional

from ..config.loader import ConfigError, load
from ..config.schema import Config
from ..config.values import LEVELS
from ..diagnose import configuration, key_options
from ..diagnose.finding import Finding, Severity, error, exit_status
from ..log.record import printable
from ..model.os_users import OsUsers
from ..paths import OUR_CONFIG
from ..sshd.program import Sshd

HELP = "report whether the configuration is valid and (as root) fits sshd's, and print every setting"
EXAMPLE = """\
In an image build, fail also if sshd's settings prevent such logins:
  eic-sshd check-config --fail-on warning
Test a changed configuration before it is installed:
  eic-sshd check-config --config new.conf
"""
EXIT_STATUS = {1: "The configuration is invalid, or there is a finding of the severity of `--fail-on`."}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `eic-sshd check-config`."""
    parser.add_argument("--config", metavar="FILE", help=f"the configuration file (default: {OUR_CONFIG})")
    parser.add_argument(
        "--fail-on",
        choices=("problem", "warning"),
        default="problem",
        help="end with status 1 if there is one (default: problem); a warning is, for example, a setting of sshd by "
        "which no pushed key logs in although eic-sshd is enabled (`PubkeyAuthentication no`)",
    )
    parser.add_argument(
        "--strict",
        dest="fail_on",
        action="store_const",
        const="warning",
        default="problem",
        help="as --fail-on warning",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print findings and settings. Returns 1 if the configuration is invalid, or a finding is one to --fail-on."""
    try:
        config = load(arguments.config or OUR_CONFIG, missing_ok=arguments.config is None)
    except ConfigError as invalid:
        for problem in dict.fromkeys(invalid.problems):
            print(f"eic-sshd: {printable(problem)}", file=sys.stderr)
        print("eic-sshd: The configuration is invalid. No pushed keys are granted until it is fixed.", file=sys.stderr)
        return 1
    findings = list(dict.fromkeys(_findings(config, arguments.config, arguments.fail_on)))
    for finding in sorted(findings, key=lambda one: one.severity is not Severity.PROBLEM):
        kind = "" if finding.severity is Severity.PROBLEM else f"{finding.severity.value}: "
        print(f"eic-sshd: {kind}{printable(finding.text())}", file=sys.stderr)
    for header, section in config.sections():
        print(printable(f"[{header}]"))
        for setting in section.settings:
            print(printable(f"{setting.name} = {_text(setting.name, getattr(section, setting.name))}".rstrip()))
    return exit_status(arguments.fail_on, findings)


def _findings(config: Config, file: Optional[str], fail_on: str) -> Iterator[Finding]:
    """All findings. Those of this machine only if the configuration `file` is the installed one (None)."""
    yield from configuration.problems(config, is_of_this_machine=file is None)
    yield from key_options.problems(config.keys.options, time.time(), Sshd() if file is None else None)
    if file is None and os.geteuid() == 0:
        from ..diagnose import installation, libraries, selinux
        from ._admin import this_site

        site = this_site()
        yield from installation.problems(site, config)
        yield from selinux.problems()
        yield from libraries.problems()
        yield from installation.warnings(site, config)
    elif file is None and fail_on == "warning":
        yield error("not-root", "sshd's settings", "only root can read them", "Run it as root")


def _text(key: str, value: object) -> str:
    if key == "level":
        return next(word for word, level in LEVELS.items() if level == value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, frozenset):
        return " ".join(sorted(value))
    if isinstance(value, tuple) and not isinstance(value, OsUsers):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
