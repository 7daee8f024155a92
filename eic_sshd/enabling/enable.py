# SPDX-License-Identifier: Apache-2.0
"""Having sshd ask eic-sshd, in front of the command that it has, if that is wanted; never instead of it."""

from __future__ import annotations

import os
from typing import Dict, Tuple

from . import Refused, chaining
from .changes import Changes, read
from .drop_in import PLAIN, USER, Plan, is_marked, is_ours, others_in
from .matches import require_match_blocks_unharmed, tell_of_match_blocks
from .site import Site
from .sshd_config import COMMAND, COMMAND_USER, SshdConfig, outside


def enable(site: Site, chain: bool) -> None:
    """Have sshd ask eic-sshd; with `chain`, in front of the AuthorizedKeysCommand that is there.

    Raises:
        Refused: if it can't be done. Then everything is as it was.
        Unfinished: if it is done, and an sshd did not outlive being told.
    """
    site.require_installed()
    _require_sshd_goes_by_its_configuration(site)
    effective = site.sshd.effective()
    if _is_in_place_by_hand(site, effective):
        site.say(f"sshd asks eic-sshd already, by a line of your own: AuthorizedKeysCommand {effective[COMMAND]}")
        if chain:
            site.say("that line is left alone, so nothing is chained: take it away, then run `eic-sshd enable --chain`")
        site.units.start_socket(anew=False)
        return
    plan = _plan(site, effective, chain)
    require_match_blocks_unharmed(site, plan)
    others_before = site.problems_of(site.others())
    with site.all_or_nothing() as changes:
        _put_in_place(site, plan, changes)
        if not changes.paths:
            site.say("sshd asks eic-sshd already")
        if site.chain_config in changes.paths:
            site.units.reload_service()
        site.reload_sshd(others_before)
        site.units.start_socket(anew=site.socket_drop_in in changes.paths)
        tell_of_match_blocks(site, plan)
    site.units.require_sshd_back()


def _require_sshd_goes_by_its_configuration(site: Site) -> None:
    problem = site.sshd_problem()
    if problem is not None:
        raise Refused(
            f"sshd's configuration is invalid, and left as it is: {problem}; correct it, then run `eic-sshd enable`"
        )
    site.require_started_by_its_configuration()


def _is_in_place_by_hand(site: Site, effective: Dict[str, str]) -> bool:
    return is_ours(effective[COMMAND]) and not any(os.path.lexists(path) for path in site.our_drop_ins)


def _plan(site: Site, effective: Dict[str, str], chain: bool) -> Plan:
    """What is to be in place. Raises Refused where the site has to decide first."""
    _require_ours_unconditional(site)
    command, user = site.own_command(effective)
    if command is None:
        if chain:
            site.say("sshd has no other AuthorizedKeysCommand, so there is none to chain")
        return PLAIN
    if chain or is_marked(read(site.chain_config) or ""):
        return chaining.plan(site, command, user)
    if is_ours(effective[COMMAND]):
        site.say(f"sshd does not run {command} ({site.place(command)}): `eic-sshd enable --chain` has both run")
        return PLAIN
    raise Refused(
        f"sshd runs another AuthorizedKeysCommand, which is left as it is: {command} ({site.place(command)}); "
        "`eic-sshd enable --chain` has sshd ask eic-sshd first, and eic-sshd run that command as well"
    )


def _require_ours_unconditional(site: Site) -> None:
    """Lines of ours that somebody has put under a Match are to count there only; written anew they would everywhere."""
    for line in site.sshd_config().lines(COMMAND):
        if line.match is not None and is_ours(line.value) and line.file in site.our_drop_ins:
            raise Refused(
                f"{line.place} has sshd ask eic-sshd for `Match {line.match}` only, and is left as it is: take it away "
                "to have eic-sshd asked for everybody"
            )


def _put_in_place(site: Site, plan: Plan, changes: Changes) -> None:
    _require_inclusion(site)
    wanted = [site.chain_config] if plan.chained else []
    # Where sshd runs the front door as another user, that user alone may ask at the socket.
    wanted += [site.socket_drop_in] if plan.user != USER else []
    chaining.remove(site, changes, keep=wanted)
    if plan.chained is not None:
        chaining.put_in_place(site, plan, changes, plan.chained)
    path, text = _that_comes_first(site, plan)
    _require_others_unharmed(site, plan, path, text)
    for other in site.our_drop_ins:
        if other != path:
            site.give_back(other, changes)
    changes.write(path, text)
    if not site.dry_run:
        _require_in_force(site, plan)


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


def _that_comes_first(site: Site, plan: Plan) -> Tuple[str, str]:
    """The drop-in by which sshd comes to do what is planned, and its text: somebody else's lines stay in it."""
    blocking = None
    for path in site.our_drop_ins:
        text = plan.text(others_in(read(path) or ""))
        emptied = {other: "" for other in site.our_drop_ins if other != path}
        reading = site.sshd_config({path: text, **emptied})
        command, user = outside(reading.lines(COMMAND)), outside(reading.lines(COMMAND_USER))
        if command and user and (command.value, user.word) == (plan.command, plan.user):
            return path, text
        blocking = next((line for line in (command, user) if line and line.file != path), None)
    before = blocking.place if blocking else f"a line of {site.sshd.config} that `sshd -T` goes by"
    raise Refused(f"sshd reads {site.drop_in}, but {before} comes before it: move that below the Include line")


def _require_others_unharmed(site: Site, plan: Plan, path: str, text: str) -> None:
    """An sshd with a configuration of its own may read our drop-in all the same. Raises Refused where it would run
    another command than before, and not that one after ours."""
    for other in site.others():
        before = outside(SshdConfig(other.config, dict.fromkeys(site.our_drop_ins, "")).lines(COMMAND))
        after = outside(SshdConfig(other.config, {path: text}).lines(COMMAND))
        if before is None or after is None or before.value == plan.chained:
            continue
        if is_ours(after.value) and not is_ours(before.value):
            raise Refused(
                f"an sshd here goes by {other.config}, which includes {path} too, and would no longer run its own "
                f"AuthorizedKeysCommand, {before.value} ({before.place}): move that above its Include line"
            )


def _require_in_force(site: Site, plan: Plan) -> None:
    problem = site.sshd_problem()
    if problem is not None:
        raise Refused(f"sshd does not take it: {problem}")
    effective = site.sshd.effective()
    if (effective[COMMAND], effective[COMMAND_USER]) != (plan.command, plan.user):
        raise Refused(
            f"sshd -T still has {COMMAND} {effective[COMMAND]} and {COMMAND_USER} {effective[COMMAND_USER]}: "
            f"look for what in {site.sshd.config} sets them"
        )
