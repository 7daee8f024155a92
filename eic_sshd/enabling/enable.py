# SPDX-License-Identifier: Apache-2.0
"""Adds eic-sshd to sshd's configuration: in front of the command that is there, or in its place, only if requested."""

from __future__ import annotations

from typing import Optional, Tuple

from . import Refused, chaining, commands, effects, gate
from .changes import Changes, read
from .commands import OwnCommand
from .drop_in import PLAIN, USER, Existing, Plan, is_marked, is_ours
from .matches import require_match_blocks_unharmed
from .placing import place
from .site import Site
from .sshd_config import COMMAND, COMMAND_USER, Line


def enable(site: Site, existing: Existing = Existing.KEEP) -> None:
    """Have sshd ask eic-sshd; `existing` is what becomes of the AuthorizedKeysCommand that is there.

    Raises:
        Refused: if it can't be done. Then everything is as it was.
        Unfinished: if it is done, and an sshd did not outlive being told.
    """
    site.require_installed()
    _require_sshd_goes_by_its_configuration(site)
    by_hand = commands.by_hand(site)
    if by_hand is not None:
        _leave_by_hand(site, by_hand, existing)
        return
    plan, own = _plan(site, existing)
    require_match_blocks_unharmed(site, plan)
    others_before = site.problems_of(site.others())
    with site.all_or_nothing() as changes:
        _put_in_place(site, plan, own, changes)
        if not changes.paths:
            site.say("sshd asks eic-sshd already")
        if existing is Existing.REPLACE and own is not None:
            site.say(f"{own} is not run while sshd asks eic-sshd in its place; `eic-sshd disable` gives it back")
        if site.chain_config in changes.paths:
            site.units.reload_service()
        site.note_that_sshd_is_told()
        site.reload_sshd(others_before)
        site.units.start_socket(anew=site.socket_drop_in in changes.paths)
    gate.say_warnings(site, plan.user)
    site.units.require_sshd_back()


def _require_sshd_goes_by_its_configuration(site: Site) -> None:
    problem = site.sshd_problem()
    if problem is not None:
        raise Refused(
            f"sshd's configuration is invalid, and left as it is: {problem}; correct it, then run `eic-sshd enable`"
        )
    site.require_started_by_its_configuration()


def _leave_by_hand(site: Site, line: Line, existing: Existing) -> None:
    """sshd asks us by a `line` that is not of ours. Raises Refused where by that line it can't."""
    commands.require_runnable_by_hand(site)
    site.say(f"sshd asks eic-sshd already, by a line of your own: AuthorizedKeysCommand {line.value} ({line.place})")
    if existing is not Existing.KEEP:
        done = "chained" if existing is Existing.CHAIN else "replaced"
        site.say(
            f"that line is left alone, so nothing is {done}: take it away, then run "
            f"`eic-sshd enable --{existing.value}`"
        )
    with site.all_or_nothing() as changes:
        if commands.own_command(site, *commands.in_force(site)) is None:
            chaining.remove(site, changes)
        if site.chain_config in changes.paths:
            site.units.reload_service()
        site.note_that_sshd_is_told()
        site.units.start_socket(anew=site.socket_drop_in in changes.paths)
    gate.say_warnings(site, commands.in_force(site)[1])


def _plan(site: Site, existing: Existing) -> Tuple[Plan, Optional[OwnCommand]]:
    """What is to be in place, and the command that the site has. Raises Refused where the site has to decide first."""
    _require_ours_unconditional(site)
    command, user = commands.in_force(site)
    own = commands.own_command(site, command, user)
    if own is None:
        if existing is not Existing.KEEP:
            site.say(f"sshd has no other AuthorizedKeysCommand, so there is none to {existing.value}")
        return PLAIN, None
    if existing is Existing.REPLACE:
        return PLAIN._replace(replaced=own.command), own
    replaced = commands.replaced(site)
    if own.is_none and existing is Existing.KEEP and replaced != own.command:
        if is_ours(command):
            return PLAIN, None
        raise Refused(
            f"{own.place} sets AuthorizedKeysCommand none: take that line away, then run `eic-sshd enable`, or run "
            "`eic-sshd enable --replace`"
        )
    if existing is Existing.CHAIN or is_marked(read(site.chain_config) or ""):
        return chaining.plan(own), own
    if replaced == own.command:
        return PLAIN._replace(replaced=replaced), own
    if is_ours(command):
        site.say(f"sshd does not run {own}: {chaining.ways(own)}")
        return PLAIN._replace(replaced=replaced), own
    raise Refused(f"sshd runs another AuthorizedKeysCommand, which is left as it is: {own}; {chaining.ways(own)}")


def _require_ours_unconditional(site: Site) -> None:
    """Lines of ours that somebody has put under a Match are to count there only; written anew they would everywhere."""
    for line in site.sshd_config().lines(COMMAND):
        if line.match is not None and is_ours(line.value) and line.file in site.our_drop_ins:
            raise Refused(
                f"{line.place} has sshd ask eic-sshd for `Match {line.match}` only, and is left as it is: take it away "
                "to have eic-sshd asked for everybody"
            )


def _put_in_place(site: Site, plan: Plan, own: Optional[OwnCommand], changes: Changes) -> None:
    _require_inclusion(site)
    wanted = [site.chain_config] if plan.chained else []
    # Where sshd runs the front door as another user, that user alone may ask at the socket.
    wanted += [site.socket_drop_in] if plan.user != USER else []
    chaining.remove(site, changes, keep=wanted)
    if plan.chained is not None and own is not None:
        chaining.put_in_place(site, plan, changes, own)
    before = effects.without_us(site, site.sshd)
    path, text = place(site, plan, before)
    for other in site.our_drop_ins:
        if other != path:
            site.give_back(other, changes)
    changes.write(path, text)
    if not site.dry_run:
        _require_in_force(site, plan, before)


def _require_inclusion(site: Site) -> None:
    inclusion = site.sshd_config().inclusion_of(site.drop_in)
    include = f"Include {site.sshd_drop_ins}/*.conf"
    if inclusion is None:
        raise Refused(f"{site.sshd.config} does not include {site.drop_in}: add this as its first line: {include}")
    if inclusion.match is not None:
        raise Refused(
            f"{inclusion.place} includes {site.drop_in} for `Match {inclusion.match}` only: add this as the "
            f"first line of {site.sshd.config}: {include}"
        )


def _require_in_force(site: Site, plan: Plan, before: effects.InForce) -> None:
    problem = site.sshd_problem()
    if problem is not None:
        raise Refused(f"sshd does not take it: {problem}")
    now = commands.in_force(site)
    if now != (plan.command, plan.user):
        raise Refused(
            f"sshd -T still has {COMMAND} {now[0]} and {COMMAND_USER} {now[1]}: "
            f"look for what in {site.sshd.config} sets them"
        )
    after = effects.observe(site.sshd, list(before))
    unanswered = next((connection for connection in before if connection not in after), None)
    if unanswered is not None:
        raise Refused(f"`sshd -T` would fail for user={unanswered.user}, addr={unanswered.addr}, and did not before")
    difference = effects.difference(before, after)
    if difference is not None:
        raise Refused(f"sshd -T has {difference}, which is none of eic-sshd's settings")
