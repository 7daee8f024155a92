# SPDX-License-Identifier: Apache-2.0
"""The files by which eic-sshd runs the site's own AuthorizedKeysCommand after its own answer."""

from __future__ import annotations

import pwd
import re
from typing import Sequence

from ..config import loader
from ..diagnose import access
from ..diagnose.finding import error
from ..diagnose.site_command import chain_problem, not_chainable
from ..host.plain_files import read
from ..model import keys_command
from ..paths import ACCOUNT, CLIENT_COMMAND
from ..sshd.commands import SiteCommand
from ..sshd.drop_in import Plan, has_chain_mark, with_chain_mark
from . import SetupRefused, refuse_on
from .changes import Changes
from .target import Target


def plan(own: SiteCommand) -> Plan:
    """eic-sshd in front of the site's `own` command, with the tokens that the command uses and only sshd knows.

    Raises SetupRefused where that is not possible.
    """
    problem = chain_problem(own)
    if problem is not None:
        raise SetupRefused(not_chainable(own, problem))
    words = keys_command.split(own.command)
    names = sorted({"U", *keys_command.only_sshd_knows(words)})  # eic-sshd itself uses U
    tokens = "".join(f" --token {name}=%{name}" for name in names)
    return Plan(f"{CLIENT_COMMAND}{tokens} %u %f", own.user, own.command)


def socket_settings(user: str, uid: int) -> str:
    """The lines of a drop-in for the socket's unit that give it to `user`, with the number `uid`.

    At each reload systemd warns of unusual user names and of `nobody`, but not of numbers (load-fragment.c,
    config_parse_user_group_compat; user-util.c, valid_user_group_name).
    """
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_-]{0,30}", user) and user != "nobody":
        return f"[Socket]\nSocketUser={user}\n"
    return f"[Socket]\n# {user!a}\nSocketUser={uid}\n"


def write(target: Target, plan: Plan, changes: Changes, own: SiteCommand) -> None:
    """Write the files by which eic-sshd runs the `own` command, and its daemon answers the user in `plan`.

    Raises SetupRefused.
    """
    site = target.site
    refuse_on(access.program_problems(site, plan.user))
    for path in (site.chain_config, site.socket_drop_in):
        _require_chain_mark(path)
    note = "# After you change or remove the command in sshd's configuration, run `eic-sshd enable` as well."
    changes.write(site.chain_config, with_chain_mark(f"{note}\n[chain]\ncommand = {own.command}\n"))
    if plan.user != ACCOUNT:
        settings = socket_settings(plan.user, pwd.getpwnam(plan.user).pw_uid)
        changes.write(site.socket_drop_in, with_chain_mark(settings))
    if site.chain_config in changes.paths:
        target.report(f"{own.command} ({own.place}) runs after eic-sshd's own answer: [chain] in eic-sshd.conf(5)")
    if target.dry_run:
        return
    refuse_on(access.config_problems(site, plan.user))
    place = loader.where_set(site.our_config, "chain", "command") or ""
    if not place.startswith(f"{site.chain_config}:"):
        remedy = "Remove that line, then run `eic-sshd enable --chain`"
        raise SetupRefused(error("chain-set-elsewhere", place, "it sets [chain] command too", remedy))


def _require_chain_mark(path: str) -> None:
    text = read(path)
    if text is not None and not has_chain_mark(text):
        raise SetupRefused(
            error("file-not-ours", path, "eic-sshd did not write it and would overwrite it", "Give it another name")
        )


def remove(target: Target, changes: Changes, keep: Sequence[str] = ()) -> None:
    """Remove the files of a chained command that eic-sshd wrote, except `keep`."""
    for path in (target.site.chain_config, target.site.socket_drop_in):
        if path not in keep and has_chain_mark(read(path) or ""):
            changes.remove(path, and_folder=path == target.site.socket_drop_in)
