# SPDX-License-Identifier: Apache-2.0
"""Whether eic-sshd can run the AuthorizedKeysCommand that the site has, and what an administrator may do about it."""

from __future__ import annotations

from typing import Optional

from ..host import trusted_files
from ..host.accounts import may_run_us
from ..model import keys_command
from ..sshd.commands import OwnCommand

_CHAIN = "`eic-sshd enable --chain` has sshd ask eic-sshd first, and eic-sshd run that command as well"
REPLACE = "`eic-sshd enable --replace` has sshd ask eic-sshd in its place, and that command is then not run"


def chain_problem(own: OwnCommand) -> Optional[str]:
    """Why it can't be chained; None if it can."""
    if own.is_none:
        return "it is none"
    try:
        trusted_files.require_safe(keys_command.split(own.command)[0])
    except (ValueError, trusted_files.Unsafe) as problem:
        return str(problem)
    except OSError as error:
        return str(error.strerror)
    if not may_run_us(own.user):
        return (
            f"it runs as AuthorizedKeysCommandUser {own.user}, and eic-sshd, which would run as the same, must be a "
            "single existing user other than root: name another"
        )
    return None


def ways(own: OwnCommand) -> str:
    """What an administrator may have done about it."""
    problem = chain_problem(own)
    if problem is None:
        return f"{_CHAIN}; {REPLACE}"
    return f"{REPLACE}; `eic-sshd enable --chain` can't have both run: {problem}"
