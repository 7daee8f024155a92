# SPDX-License-Identifier: Apache-2.0
"""Match blocks: what one says of the command or its user goes before all that is said outside of it."""

from __future__ import annotations

from typing import List

from . import Refused
from .as_user import may_run_us
from .drop_in import Plan
from .site import Site
from .sshd_config import Line, in_same_block, outside


def require_match_blocks_unharmed(site: Site, plan: Plan) -> None:
    """What is planned must leave what Match blocks do as it is. Raises Refused."""
    commands, users = site.commands(), site.users()
    for line in _in_blocks([*commands, *users]):
        if (line.match or "").lower() == "all":
            raise Refused(
                f"{line.place} stands under `Match all`, which goes before everything else: move it out of it"
            )
    own = outside(users)
    for command in _that_run(_in_blocks(commands)):
        if not in_same_block(command, users) and (own is None or own.word != plan.user):
            how = f"runs as {own.word}, who is named outside of it" if own else "has no user, so it never runs"
            raise Refused(
                f"{command.value} ({command.place}) {how}, which would change: add an AuthorizedKeysCommandUser to "
                f"`Match {command.match}`"
            )
    for user in _without_command(users, commands):
        if not may_run_us(user.word):
            raise Refused(
                f"{user.place} would have sshd run eic-sshd as {user.word}, which must be a single existing user other "
                f"than root: add `AuthorizedKeysCommand none` to `Match {user.match}`, or take that line away"
            )


def tell_of_match_blocks(site: Site, plan: Plan) -> None:
    """Where sshd does something else than ask eic-sshd, or asks it in another way than planned."""
    commands, users = site.commands(), site.users()
    for line in _in_blocks(commands):
        what = "runs no command" if line.word.lower() == "none" else f"goes on running {line.value}"
        site.say(f"for `Match {line.match}` sshd {what} ({line.place}), and does not ask eic-sshd")
    for user in _without_command(users, commands):
        if user.word == plan.user:
            continue
        site.say(
            f"for `Match {user.match}` sshd runs eic-sshd as {user.word} ({user.place}), who may not use its "
            "socket: each login is then decided by a process of its own, slower"
        )


def _in_blocks(lines: List[Line]) -> List[Line]:
    return [line for line in lines if line.match is not None]


def _that_run(lines: List[Line]) -> List[Line]:
    return [line for line in lines if line.word.lower() != "none"]


def _without_command(users: List[Line], commands: List[Line]) -> List[Line]:
    return [line for line in _in_blocks(users) if not in_same_block(line, commands)]
