# SPDX-License-Identifier: Apache-2.0
"""Match blocks: their AuthorizedKeysCommand and its user take precedence over those outside."""

from __future__ import annotations

from typing import Iterator, List

from ..host.accounts import is_single_ordinary_user
from ..paths import ACCOUNT
from ..sshd.config_file import Line, in_same_block, outside
from ..sshd.drop_in import Plan
from ..sshd.site import Site
from .access import NOT_A_SINGLE_USER
from .finding import Finding, error, warning

# A command that prints no key. sshd takes `none` for a program whose path is not absolute.
_SILENT = "/usr/bin/true"


def plan_problems(site: Site, plan: Plan) -> Iterator[Finding]:
    """Match blocks that the `plan` would change, or that would take precedence over it."""
    commands, users = site.foreign_commands(), site.foreign_users()
    for line in [*commands, *users]:
        if line.match is not None and line.is_unconditional:
            yield error(
                "line-under-match-all",
                line.place,
                "the line is under `Match all`, so it takes precedence over every line outside",
                "Move it out of the Match block, then run `eic-sshd enable`",
            )
    user_outside = outside(users)
    for command in _with_command(_in_blocks(commands)):
        if not in_same_block(command, users) and (user_outside is None or user_outside.word != plan.user):
            user = (
                f"runs as {user_outside.word}, set outside of the block"
                if user_outside
                else "does not run, because no AuthorizedKeysCommandUser is set"
            )
            yield error(
                "match-block-relies-on-user",
                command.place,
                f"{command.value} {user}, and eic-sshd's AuthorizedKeysCommandUser {plan.user} would change that",
                f"Add an AuthorizedKeysCommandUser to `Match {command.match}`, then run `eic-sshd enable`",
            )
    yield from user_problems(site)


def user_problems(site: Site) -> Iterator[Finding]:
    """Match blocks in which sshd would run eic-sshd as a user that it must not run as."""
    for user in _without_command(site.foreign_users(), site.foreign_commands()):
        if not is_single_ordinary_user(user.word):
            yield error(
                "match-block-user-unusable",
                user.place,
                f"for `Match {user.match}` sshd would run eic-sshd as {user.word}, {NOT_A_SINGLE_USER}",
                f"Change that line to `AuthorizedKeysCommandUser {ACCOUNT}`, or remove it, or, to use no pushed keys "
                f"there, add `AuthorizedKeysCommand {_SILENT}` to `Match {user.match}`",
            )


def exceptions(site: Site, usual_user: str) -> Iterator[Finding]:
    """Match blocks in which sshd does not run eic-sshd, or runs it as another user than `usual_user`."""
    commands, users = site.foreign_commands(), site.foreign_users()
    for line in _in_blocks(commands):
        runs = f"{line.value} and not eic-sshd"
        remedy = ""
        if line.word.lower() == "none":  # auth2-pubkey.c, user_key_command_allowed2
            runs = "no command, and logs an error at each attempt (AuthorizedKeysCommand none)"
            remedy = f"`AuthorizedKeysCommand {_SILENT}` does the same without the error"
        yield warning("match-block-command", line.place, f"for `Match {line.match}` sshd runs {runs}", remedy)
    for user in _without_command(users, commands):
        if user.word != usual_user:
            yield warning(
                "match-block-user",
                user.place,
                f"for `Match {user.match}` sshd runs eic-sshd as {user.word}, who may not use the daemon's socket, so "
                "each login is slower",
            )


def _in_blocks(lines: List[Line]) -> List[Line]:
    return [line for line in lines if not line.is_unconditional]


def _with_command(lines: List[Line]) -> List[Line]:
    return [line for line in lines if line.word.lower() != "none"]


def _without_command(users: List[Line], commands: List[Line]) -> List[Line]:
    return [line for line in _in_blocks(users) if not in_same_block(line, commands)]
