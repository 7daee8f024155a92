# SPDX-License-Identifier: Apache-2.0
"""The site's own AuthorizedKeysCommand, run by eic-sshd after its own answer: the files that say so."""

from __future__ import annotations

import pwd
from typing import Optional, Sequence

from ..config import loader
from ..host import trusted_files
from ..model import keys_command
from . import Refused, socket_access
from .as_user import config_problem, may_run_us
from .changes import Changes, read
from .commands import OwnCommand
from .drop_in import USER, Plan, is_marked, marked
from .site import Site

_CHAIN = "`eic-sshd enable --chain` has sshd ask eic-sshd first, and eic-sshd run that command as well"
_REPLACE = "`eic-sshd enable --replace` has sshd ask eic-sshd in its place, and that command is then not run"


def plan(own: OwnCommand) -> Plan:
    """In front of the site's `own` command. Raises Refused where that can't be.

    sshd passes on what it alone knows and the command wants to be told.
    """
    problem = _problem(own)
    if problem is not None:
        raise Refused(f"{own} can't be chained: {problem}; {_REPLACE}")
    words = keys_command.split(own.command)
    tokens = "".join(f" --token {name}=%{name}" for name in sorted(keys_command.only_sshd_knows(words)))
    return Plan(f"{keys_command.FRONT_DOOR}{tokens} %u %f", own.user, own.command)


def _problem(own: OwnCommand) -> Optional[str]:
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
    problem = _problem(own)
    if problem is None:
        return f"{_CHAIN}; {_REPLACE}"
    return f"{_REPLACE}; `eic-sshd enable --chain` can't have both run: {problem}"


def put_in_place(site: Site, plan: Plan, changes: Changes, own: OwnCommand) -> None:
    """Have eic-sshd run the `own` command, and answer the user that sshd then runs it as. Raises Refused."""
    site.require_runnable(plan.user)
    for path in (site.chain_config, site.socket_drop_in):
        _require_marked(path)
    note = "# When you change or take away the command in sshd's configuration, run `eic-sshd enable` as well."
    changes.write(site.chain_config, marked(f"{note}\n[chain]\ncommand = {own.command}\n"))
    if plan.user != USER:
        changes.write(site.socket_drop_in, marked(socket_access.settings(plan.user, pwd.getpwnam(plan.user).pw_uid)))
    if site.chain_config in changes.paths:
        site.say(f"{own} is run after eic-sshd's own answer ([chain] in eic-sshd.conf(5))")
    if site.dry_run:
        return
    problem = config_problem(plan.user, site.our_config)
    if problem is not None:
        raise Refused(f"eic-sshd would run as {plan.user}, for whom its configuration is invalid: {problem}")
    place = loader.where_set(site.our_config, "chain", "command") or ""
    if not place.startswith(f"{site.chain_config}:"):
        raise Refused(f"{place} sets [chain] command as well: take that line away")


def _require_marked(path: str) -> None:
    text = read(path)
    if text is not None and not is_marked(text):
        raise Refused(f"{path} would be overwritten, but is not of our making: give it another name")


def remove(site: Site, changes: Changes, keep: Sequence[str] = ()) -> None:
    """Take away what goes with a chained command, as far as it is of our making, but for `keep`."""
    for path in (site.chain_config, site.socket_drop_in):
        if path not in keep and is_marked(read(path) or ""):
            changes.remove(path, and_folder=path == site.socket_drop_in)
