# SPDX-License-Identifier: Apache-2.0
"""Whether eic-sshd can run the site's own AuthorizedKeysCommand, and what an administrator can do about it."""

from __future__ import annotations

from typing import Optional

from ..host import trusted_files
from ..host.accounts import is_single_ordinary_user
from ..model import keys_command
from ..sshd.commands import SiteCommand
from .access import NOT_A_SINGLE_USER
from .finding import Finding, error

_REPLACE = "`eic-sshd enable --replace` to put eic-sshd in its place (it does not run until `eic-sshd disable`)"


def chain_problem(command: SiteCommand) -> Optional[str]:
    """Why eic-sshd cannot run the site's `command` as well; None if it can."""
    if command.is_none:
        return "it is none"
    try:
        trusted_files.require_safe(keys_command.split(command.command)[0])
    except (ValueError, trusted_files.UntrustedFile) as problem:
        return str(problem)
    except OSError as failure:
        return str(failure.strerror)
    if not is_single_ordinary_user(command.user):
        return f"it runs as AuthorizedKeysCommandUser {command.user}, {NOT_A_SINGLE_USER}"
    return None


def not_chainable(command: SiteCommand, problem: str) -> Finding:
    """`enable --chain` was requested, and there is a `problem` with the site's `command`."""
    return error(
        "command-not-chainable",
        command.place,
        f"AuthorizedKeysCommand {command.command} cannot be chained ({problem})",
        f"Change that, or run {_REPLACE}",
    )


def other_command_runs(command: SiteCommand) -> Finding:
    """sshd runs the site's `command` and not eic-sshd."""
    return error(
        "other-command",
        command.place,
        f"sshd runs another AuthorizedKeysCommand and not eic-sshd ({command.command})",
        _remedies(command),
    )


def command_does_not_run(command: SiteCommand) -> Finding:
    """sshd runs eic-sshd, and nothing runs the site's `command`."""
    return error(
        "command-not-run",
        command.place,
        f"AuthorizedKeysCommand {command.command} does not run, because sshd runs eic-sshd",
        _remedies(command),
    )


def _remedies(command: SiteCommand) -> str:
    problem = chain_problem(command)
    if problem is not None:
        return f"Run {_REPLACE}. `eic-sshd enable --chain` cannot be used: {problem}"
    return (
        "Run `eic-sshd enable --chain` to put eic-sshd in front of the existing command (eic-sshd then runs both), or "
        f"{_REPLACE}"
    )
