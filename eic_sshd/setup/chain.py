# SPDX-License-Identifier: Apache-2.0
"""The site's own AuthorizedKeysCommand, run by eic-sshd after its own answer: the files that say so."""

from __future__ import annotations

import pwd
import re
from typing import Sequence

from ..config import loader
from ..diagnose.access import config_problem, require_runnable
from ..diagnose.own_command import REPLACE, chain_problem
from ..host.plain_files import read
from ..model import keys_command
from ..sshd.commands import OwnCommand
from ..sshd.drop_in import USER, Plan, is_marked, marked
from . import Refused
from .changes import Changes
from .target import Target


def plan(own: OwnCommand) -> Plan:
    """In front of the site's `own` command. Raises Refused where that can't be.

    sshd passes on what it alone knows and the command wants to be told.
    """
    problem = chain_problem(own)
    if problem is not None:
        raise Refused(f"{own} can't be chained: {problem}; {REPLACE}")
    words = keys_command.split(own.command)
    tokens = "".join(f" --token {name}=%{name}" for name in sorted(keys_command.only_sshd_knows(words)))
    return Plan(f"{keys_command.FRONT_DOOR}{tokens} %u %f", own.user, own.command)


def socket_settings(user: str, uid: int) -> str:
    """The lines of a drop-in for the socket's unit that give it to `user`, who has the number `uid`.

    systemd says at each reload that a name is unusual, or that `nobody` is not safe, but not of a number
    (load-fragment.c, config_parse_user_group_compat; user-util.c, valid_user_group_name).
    """
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_-]{0,30}", user) and user != "nobody":
        return f"[Socket]\nSocketUser={user}\n"
    return f"[Socket]\n# {user!a}\nSocketUser={uid}\n"


def put_in_place(target: Target, plan: Plan, changes: Changes, own: OwnCommand) -> None:
    """Have eic-sshd run the `own` command, and answer the user that sshd then runs it as. Raises Refused."""
    require_runnable(target.site, plan.user)
    for path in (target.site.chain_config, target.site.socket_drop_in):
        _require_marked(path)
    note = "# When you change or take away the command in sshd's configuration, run `eic-sshd enable` as well."
    changes.write(target.site.chain_config, marked(f"{note}\n[chain]\ncommand = {own.command}\n"))
    if plan.user != USER:
        changes.write(target.site.socket_drop_in, marked(socket_settings(plan.user, pwd.getpwnam(plan.user).pw_uid)))
    if target.site.chain_config in changes.paths:
        target.say(f"{own} is run after eic-sshd's own answer ([chain] in eic-sshd.conf(5))")
    if target.dry_run:
        return
    problem = config_problem(plan.user, target.site.our_config)
    if problem is not None:
        raise Refused(f"eic-sshd would run as {plan.user}, for whom its configuration is invalid: {problem}")
    place = loader.where_set(target.site.our_config, "chain", "command") or ""
    if not place.startswith(f"{target.site.chain_config}:"):
        raise Refused(f"{place} sets [chain] command as well: take that line away")


def _require_marked(path: str) -> None:
    text = read(path)
    if text is not None and not is_marked(text):
        raise Refused(f"{path} would be overwritten, but is not of our making: give it another name")


def remove(target: Target, changes: Changes, keep: Sequence[str] = ()) -> None:
    """Take away what goes with a chained command, as far as it is of our making, but for `keep`."""
    for path in (target.site.chain_config, target.site.socket_drop_in):
        if path not in keep and is_marked(read(path) or ""):
            changes.remove(path, and_folder=path == target.site.socket_drop_in)
