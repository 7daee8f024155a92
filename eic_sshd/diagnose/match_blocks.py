# SPDX-License-Identifier: Apache-2.0
"""Match blocks: what one says of the command or its user goes before all that is said outside of it."""

from __future__ import annotations

from typing import Iterator, List

from ..host.accounts import may_run_us
from ..host.errors import MachineError
from ..sshd.config_file import Line, in_same_block, outside
from ..sshd.drop_in import USER, Plan
from ..sshd.site import Site

# A command that prints no key: to sshd, `none` is no way to have none.
_SILENT = "/usr/bin/true"


def require_match_blocks_unharmed(site: Site, plan: Plan) -> None:
    """What is planned must leave what Match blocks do as it is. Raises MachineError."""
    commands, users = site.commands(), site.users()
    for line in [*commands, *users]:
        if line.match is not None and line.counts_always:
            raise MachineError(
                f"{line.place} stands under `Match all`, which goes before everything else: move it out of it"
            )
    own = outside(users)
    for command in _that_run(_in_blocks(commands)):
        if not in_same_block(command, users) and (own is None or own.word != plan.user):
            how = f"runs as {own.word}, who is named outside of it" if own else "has no user, so it never runs"
            raise MachineError(
                f"{command.value} ({command.place}) {how}, which would change: add an AuthorizedKeysCommandUser to "
                f"`Match {command.match}`"
            )
    require_users_in_match_blocks(site)


def require_users_in_match_blocks(site: Site) -> None:
    """No Match block may have sshd run us as a user whom we may not run as. Raises MachineError."""
    for user in _without_command(site.users(), site.commands()):
        if not may_run_us(user.word):
            raise MachineError(
                f"{user.place} would have sshd run eic-sshd as {user.word}, which must be a single existing user other "
                f"than root: change that line to `AuthorizedKeysCommandUser {USER}`, or take it away, or, where "
                f"eic-sshd is not to be asked, add `AuthorizedKeysCommand {_SILENT}` to `Match {user.match}`"
            )


def match_block_warnings(site: Site, asking: str) -> Iterator[str]:
    """Where sshd does something else than ask eic-sshd, or asks it in another way than as the user `asking`."""
    commands, users = site.commands(), site.users()
    for line in _in_blocks(commands):
        what = f"goes on running {line.value} ({line.place})" if line.word.lower() != "none" else _runs_none(line)
        yield f"for `Match {line.match}` sshd {what}, and does not ask eic-sshd"
    for user in _without_command(users, commands):
        if user.word != asking:
            yield (
                f"for `Match {user.match}` sshd runs eic-sshd as {user.word} ({user.place}), who may not use its "
                "socket: each login is then decided by a process of its own, slower"
            )


def _runs_none(line: Line) -> str:
    """sshd takes `none` for a program whose path is not absolute (auth2-pubkey.c, user_key_command_allowed2)."""
    return (
        f"runs no command ({line.place}; it logs an error at each attempt, which `AuthorizedKeysCommand {_SILENT}` "
        "would not)"
    )


def _in_blocks(lines: List[Line]) -> List[Line]:
    return [line for line in lines if not line.counts_always]


def _that_run(lines: List[Line]) -> List[Line]:
    return [line for line in lines if line.word.lower() != "none"]


def _without_command(users: List[Line], commands: List[Line]) -> List[Line]:
    return [line for line in _in_blocks(users) if not in_same_block(line, commands)]
