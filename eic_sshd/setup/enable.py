# SPDX-License-Identifier: Apache-2.0
"""Adds eic-sshd to sshd's configuration: in front of the command that is there, or in its place, only if requested."""

from __future__ import annotations

from typing import Optional, Tuple

from ..config.loader import load_or_refuse
from ..diagnose import obstacles, side_effects
from ..diagnose.access import require_installed, require_runnable_by_hand
from ..diagnose.installation import require_started_by_its_configuration
from ..diagnose.match_blocks import match_block_warnings, require_match_blocks_unharmed
from ..diagnose.own_command import ways
from ..host.plain_files import read
from ..sshd import commands
from ..sshd.commands import OwnCommand
from ..sshd.config_file import COMMAND, COMMAND_USER, Line
from ..sshd.drop_in import PLAIN, USER, Existing, Plan, is_marked, is_ours
from . import Refused, chain
from .changes import Changes
from .placing import place
from .target import Target


def enable(target: Target, existing: Existing = Existing.KEEP) -> None:
    """Have sshd ask eic-sshd; `existing` is what becomes of the AuthorizedKeysCommand that is there.

    Raises:
        Refused: if it can't be done. Then everything is as it was.
        Unfinished: if it is done, and an sshd did not outlive being told.
    """
    require_installed(target.site)
    _require_valid_configuration(target)
    by_hand = commands.by_hand(target.site)
    if by_hand is not None:
        _leave_by_hand(target, by_hand, existing)
        return
    _require_no_second_sshd(target)
    plan, own = _plan(target, existing)
    require_match_blocks_unharmed(target.site, plan)
    with target.all_or_nothing() as changes:
        _put_in_place(target, plan, own, changes)
        if not changes.paths:
            target.say("sshd asks eic-sshd already")
        if existing is Existing.REPLACE and own is not None:
            target.say(f"{own} is not run while sshd asks eic-sshd in its place; `eic-sshd disable` gives it back")
        if target.site.chain_config in changes.paths:
            target.units.reload_service()
        target.note_that_sshd_is_told()
        target.reload_sshd()
        target.units.start_socket(anew=target.site.socket_drop_in in changes.paths)
    _say_warnings(target, plan.user)
    target.units.require_sshd_back()


def _require_valid_configuration(target: Target) -> None:
    problem = target.site.sshd_problem()
    if problem is not None:
        raise Refused(
            f"sshd's configuration is invalid, and left as it is: {problem}; correct it, then run `eic-sshd enable`"
        )
    require_started_by_its_configuration(target.site)


def _leave_by_hand(target: Target, line: Line, existing: Existing) -> None:
    """sshd asks us by a `line` that is not of ours. Raises Refused where by that line it can't."""
    require_runnable_by_hand(target.site)
    target.say(f"sshd asks eic-sshd already, by a line of your own: AuthorizedKeysCommand {line.value} ({line.place})")
    if existing is not Existing.KEEP:
        done = "chained" if existing is Existing.CHAIN else "replaced"
        target.say(
            f"that line is left alone, so nothing is {done}: take it away, then run "
            f"`eic-sshd enable --{existing.value}`"
        )
    with target.all_or_nothing() as changes:
        if commands.own_command(target.site, *commands.in_force(target.site)) is None:
            chain.remove(target, changes)
        if target.site.chain_config in changes.paths:
            target.units.reload_service()
        target.note_that_sshd_is_told()
        target.units.start_socket(anew=target.site.socket_drop_in in changes.paths)
    _say_warnings(target, commands.in_force(target.site)[1])


def _plan(target: Target, existing: Existing) -> Tuple[Plan, Optional[OwnCommand]]:
    """What is to be in place, and the command that the site has. Raises Refused where the site has to decide first."""
    _require_ours_unconditional(target)
    command, user = commands.in_force(target.site)
    own = commands.own_command(target.site, command, user)
    if own is None:
        if existing is not Existing.KEEP:
            target.say(f"sshd has no other AuthorizedKeysCommand, so there is none to {existing.value}")
        return PLAIN, None
    if existing is Existing.REPLACE:
        return PLAIN._replace(replaced=own.command), own
    replaced = commands.replaced(target.site)
    if own.is_none and existing is Existing.KEEP and replaced != own.command:
        if is_ours(command):
            return PLAIN, None
        raise Refused(
            f"{own.place} sets AuthorizedKeysCommand none: take that line away, then run `eic-sshd enable`, or run "
            "`eic-sshd enable --replace`"
        )
    if existing is Existing.CHAIN or is_marked(read(target.site.chain_config) or ""):
        return chain.plan(own), own
    if replaced == own.command:
        return PLAIN._replace(replaced=replaced), own
    if is_ours(command):
        target.say(f"sshd does not run {own}: {ways(own)}")
        return PLAIN._replace(replaced=replaced), own
    raise Refused(f"sshd runs another AuthorizedKeysCommand, which is left as it is: {own}; {ways(own)}")


def _require_ours_unconditional(target: Target) -> None:
    """Lines of ours that somebody has put under a Match are to count there only; written anew they would everywhere."""
    for line in target.site.sshd_config().lines(COMMAND):
        if line.match is not None and is_ours(line.value) and line.file in target.site.our_drop_ins:
            raise Refused(
                f"{line.place} has sshd ask eic-sshd for `Match {line.match}` only, and is left as it is: take it away "
                "to have eic-sshd asked for everybody"
            )


def _require_no_second_sshd(target: Target) -> None:
    """A second sshd that includes our folder would run eic-sshd as well, and may lose a command or another setting."""
    for other in target.site.others():
        raise Refused(
            f"{other.config}: an sshd that uses this file runs too, and it includes {target.site.sshd_drop_ins}, so it "
            "would ask eic-sshd as well, in place of a command of its own: have it include the files that it needs by "
            "name, and reload it, or stop it, then run `eic-sshd enable`"
        )


def _put_in_place(target: Target, plan: Plan, own: Optional[OwnCommand], changes: Changes) -> None:
    _require_inclusion(target)
    wanted = [target.site.chain_config] if plan.chained else []
    # Where sshd runs the front door as another user, that user alone may ask at the socket.
    wanted += [target.site.socket_drop_in] if plan.user != USER else []
    chain.remove(target, changes, keep=wanted)
    if plan.chained is not None and own is not None:
        chain.put_in_place(target, plan, changes, own)
    before = side_effects.without_us(target.site, target.site.sshd)
    path, text = place(target.site, plan, before)
    for other in target.site.our_drop_ins:
        if other != path:
            target.give_back(other, changes)
    changes.write(path, text)
    if not target.dry_run:
        _require_in_force(target, plan, before)


def _require_inclusion(target: Target) -> None:
    inclusion = target.site.sshd_config().inclusion_of(target.site.drop_in)
    include = f"Include {target.site.sshd_drop_ins}/*.conf"
    if inclusion is None:
        raise Refused(
            f"{target.site.sshd.config} does not include {target.site.drop_in}: add this as its first line: {include}"
        )
    if inclusion.match is not None:
        raise Refused(
            f"{inclusion.place} includes {target.site.drop_in} for `Match {inclusion.match}` only: add this as the "
            f"first line of {target.site.sshd.config}: {include}"
        )


def _require_in_force(target: Target, plan: Plan, before: side_effects.InForce) -> None:
    problem = target.site.sshd_problem()
    if problem is not None:
        raise Refused(f"sshd does not take it: {problem}")
    now = commands.in_force(target.site)
    if now != (plan.command, plan.user):
        raise Refused(
            f"sshd -T still has {COMMAND} {now[0]} and {COMMAND_USER} {now[1]}: "
            f"look for what in {target.site.sshd.config} sets them"
        )
    after = side_effects.observe(target.site.sshd, list(before))
    unanswered = next((connection for connection in before if connection not in after), None)
    if unanswered is not None:
        raise Refused(f"`sshd -T` would fail for user={unanswered.user}, addr={unanswered.addr}, and did not before")
    difference = side_effects.difference(before, after)
    if difference is not None:
        raise Refused(f"sshd -T has {difference}, which is none of eic-sshd's settings")


def _say_warnings(target: Target, user: str) -> None:
    """Tell the administrator who enables it; `user` is the one that sshd runs eic-sshd as."""
    types = load_or_refuse(target.site.our_config)[0].keys.types
    for sentence in [*obstacles.warnings(target.site, types), *match_block_warnings(target.site, user)]:
        target.say(f"warning: {sentence}")
