# SPDX-License-Identifier: Apache-2.0
"""Having sshd ask eic-sshd, in front of the command that it has, if that is wanted; never instead of it."""

from __future__ import annotations

import os
import pwd
from typing import Dict, List, NamedTuple, Optional

from .. import config, guarded, sshd_command
from . import Refused, sshd_config
from .changes import Changes
from .site import COMMAND, COMMAND_USER, FRONT_DOOR, USER, Site, is_ours, require_root

_ABOUT = """\
# Keys pushed through EC2 Instance Connect: see eic-sshd(8).
# Written by `eic-sshd enable`; `eic-sshd disable` takes it away.
# sshd goes on to AuthorizedKeysFile for every key that this command does not name.
"""


class Plan(NamedTuple):
    """What sshd is to run, as whom, and the command of the site's that is to be run after it."""

    command: str
    user: str
    chained: Optional[str]

    @property
    def drop_in(self) -> str:
        return f"{_ABOUT}AuthorizedKeysCommand {self.command}\nAuthorizedKeysCommandUser {self.user}\n"


PLAIN = Plan(f"{FRONT_DOOR} %u %f", USER, None)


def enable(site: Site, chain: bool) -> None:
    """Have sshd ask eic-sshd; with `chain`, in front of the AuthorizedKeysCommand that is there.

    Raises:
        Refused: if it can't be done. Then everything is as it was.
    """
    require_root()
    site.require_installed()
    problem = site.sshd.problem()
    if problem is not None:
        raise Refused(
            f"sshd's configuration does not read, and is left as it is: {problem}; mend it, then run `eic-sshd enable`"
        )
    started_with = site.units.on_command_line("AuthorizedKeysCommand")
    if started_with is not None:
        raise Refused(
            f"sshd is started with -o AuthorizedKeysCommand at {started_with}, which goes before sshd_config: take "
            "that away (the package ec2-instance-connect puts it there: remove it), then run `eic-sshd enable`"
        )
    plan = _plan(site, site.sshd.effective(), chain)
    changes = Changes(site.say, site.dry_run)
    try:
        if plan is not None:
            _put_in_place(site, plan, changes)
        if changes.paths:
            site.units.reload_sshd(site.say, site.dry_run)
    except BaseException:
        changes.put_back()
        raise
    site.units.start_socket(site.say, site.dry_run, anew=site.socket_drop_in in changes.paths)
    _tell_of_match_blocks(site)


def _plan(site: Site, effective: Dict[str, str], chain: bool) -> Optional[Plan]:
    """What to do; None where it is done already. Raises Refused where the site has to decide first."""
    command, user = effective.get(COMMAND, "none"), effective.get(COMMAND_USER, "none")
    chained = _chained_already(site)
    outside = [line for line in site.others() if line.match is None]
    hidden = next((line for line in outside[:1] if line.value != chained), None)
    if is_ours(command) and not (chain and hidden):
        site.say("sshd asks eic-sshd already")
        if hidden is not None:
            site.say(f"{hidden.place} names another command, which sshd does not run: `enable --chain` has both run")
        if chained is not None and not outside and os.path.exists(site.chain_config):
            site.say(
                f"{site.chain_config} goes on with {chained}, though sshd's configuration has it no more: "
                "`eic-sshd disable`, then `eic-sshd enable`, ends that"
            )
        return None
    if is_ours(command) and hidden:
        own_user = site.first(COMMAND_USER)
        command, user = hidden.value, own_user.value if own_user else "none"
    if command.lower() == "none":
        return _plain(site, user, chain)
    if not chain:
        raise Refused(
            f"sshd runs another AuthorizedKeysCommand, which is left as it is: {command} ({_place(site, command)}); "
            "`eic-sshd enable --chain` has sshd ask eic-sshd first, and eic-sshd run that command as well"
        )
    return _chained(site, command, user)


def _plain(site: Site, user: str, chain: bool) -> Plan:
    none = site.first(COMMAND)
    if none is not None:
        raise Refused(f"{none.place} sets AuthorizedKeysCommand none: take that line away, then run `eic-sshd enable`")
    if user not in ("none", USER):
        relying = [line for line in site.others() if line.match is not None and not site.sets_user(line)]
        if relying:
            raise Refused(
                f"{relying[0].value} ({relying[0].place}) relies on the AuthorizedKeysCommandUser {user} outside "
                f"of its Match block, which would change: add `AuthorizedKeysCommandUser {user}` to that block"
            )
    if chain:
        site.say("sshd has no other AuthorizedKeysCommand, so there is none to chain")
    return PLAIN


def _chained(site: Site, command: str, user: str) -> Plan:
    """In front of `command`; sshd passes on what it alone knows and the command wants to be told."""
    where = f"{command} ({_place(site, command)})"
    try:
        words = sshd_command.split(command)
        guarded.require_safe(words[0])
    except (ValueError, guarded.Unsafe) as problem:
        raise Refused(f"{where} can't be chained: {problem}") from None
    except OSError as error:
        raise Refused(f"{where} can't be chained: {error.strerror}") from None
    try:
        if "%" in user or pwd.getpwnam(user).pw_uid == 0:
            raise Refused(
                f"{where} can't be chained: it runs as AuthorizedKeysCommandUser {user}, and eic-sshd, which would run "
                "as the same, must be one user without privileges: name another"
            )
    except KeyError:
        raise Refused(f"{where} can't be chained: there is no user {user} to run it as") from None
    tokens = "".join(f" --token {name}=%{name}" for name in sorted(sshd_command.only_sshd_knows(words)))
    return Plan(f"{FRONT_DOOR}{tokens} %u %f", user, command)


def _put_in_place(site: Site, plan: Plan, changes: Changes) -> None:
    path = site.drop_in
    inclusion = sshd_config.inclusion_of(site.sshd.config, path)
    include = f"Include {site.sshd_drop_ins}/*.conf"
    if inclusion is None:
        raise Refused(f"{site.sshd.config} does not include {path}: add this as its first line: {include}")
    if inclusion.line.match is not None:
        raise Refused(
            f"{inclusion.line.place} includes {path} for `Match {inclusion.line.match}` only: add this as the first "
            f"line of {site.sshd.config}: {include}"
        )
    if plan.chained is not None:
        _put_chain_in_place(site, plan, changes, plan.chained)
    for path in [site.drop_in] if plan.chained is None else site.our_drop_ins:
        changes.write(path, plan.drop_in)
        if site.dry_run or _is_in_force(site, plan):
            return
        changes.remove(path)
    raise Refused(_why_not(site))


def _put_chain_in_place(site: Site, plan: Plan, changes: Changes, command: str) -> None:
    written = "Written by `eic-sshd enable --chain`; `eic-sshd disable` takes it away."
    site.say(f"{command} ({_place(site, command)}) is kept, as [chain] command")
    changes.write(site.chain_config, f"# {written}\n[chain]\ncommand = {command}\n")
    if plan.user != USER:
        # sshd runs the front door as that user, who alone may then ask at the socket.
        changes.write(site.socket_drop_in, f"# {written}\n[Socket]\nSocketUser={plan.user}\n")
    if site.dry_run:
        return
    try:
        read = config.load(site.our_config).chain.command
    except config.ConfigError as error:
        raise Refused(f"eic-sshd's own configuration does not read: {error}") from None
    if read != command:
        raise Refused(f"another file beside {site.chain_config} sets [chain] command as well: take that away")


def _is_in_force(site: Site, plan: Plan) -> bool:
    """Whether sshd does what is planned by its new configuration. Raises Refused if it does not take that."""
    problem = site.sshd.problem()
    if problem is not None:
        raise Refused(f"sshd does not take it: {problem}")
    effective = site.sshd.effective()
    return (effective.get(COMMAND), effective.get(COMMAND_USER)) == (plan.command, plan.user)


def _why_not(site: Site) -> str:
    first: List[str] = [line.place for line in (site.first(COMMAND), site.first(COMMAND_USER)) if line is not None]
    before = f"{first[0]} comes before it" if first else "something comes before it"
    return f"sshd reads {site.drop_in}, but {before}: move that below the Include line, then run `eic-sshd enable`"


def _chained_already(site: Site) -> Optional[str]:
    try:
        return config.load(site.our_config).chain.command
    except config.ConfigError as error:
        return error.salvaged.chain.command


def _place(site: Site, command: str) -> str:
    return next((line.place for line in site.others() if line.value == command), site.sshd.config)


def _tell_of_match_blocks(site: Site) -> None:
    for line in site.others():
        if line.match is not None:
            site.say(f"for `Match {line.match}` sshd goes on running {line.value} ({line.place}), and not eic-sshd")
