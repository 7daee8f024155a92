# SPDX-License-Identifier: Apache-2.0
"""Having sshd ask eic-sshd, in front of the command that it has, if that is wanted; never instead of it."""

from __future__ import annotations

import os
from typing import Dict, Optional, Sequence, Tuple

from .. import config, guarded, sshd_command
from . import Refused
from .as_user import config_problem, may_run_us
from .changes import Changes, read
from .drop_in import PLAIN, USER, Plan, is_marked, is_ours, marked, others_in
from .matches import require_match_blocks_unharmed, tell_of_match_blocks
from .site import COMMAND, COMMAND_USER, Site, outside, require_root


def enable(site: Site, chain: bool) -> None:
    """Have sshd ask eic-sshd; with `chain`, in front of the AuthorizedKeysCommand that is there.

    Raises:
        Refused: if it can't be done. Then everything is as it was.
    """
    require_root()
    site.require_installed()
    _require_that_sshd_reads_its_configuration(site)
    plan = _plan(site, site.sshd.effective(), chain)
    if plan is None:
        site.units.start_socket(anew=False)
        return
    require_match_blocks_unharmed(site, plan)
    with site.all_or_nothing() as changes:
        _put_in_place(site, plan, changes)
        if not changes.paths:
            site.say("sshd asks eic-sshd already")
        if site.chain_config in changes.paths:
            site.units.reload_service()
        site.units.reload_sshd()
        site.units.start_socket(anew=site.socket_drop_in in changes.paths)
    tell_of_match_blocks(site)


def _require_that_sshd_reads_its_configuration(site: Site) -> None:
    problem = site.sshd.problem()
    if problem is not None:
        raise Refused(
            f"sshd's configuration is invalid, and left as it is: {problem}; correct it, then run `eic-sshd enable`"
        )
    started_with = site.units.on_command_line(site.sshd.config)
    if started_with is not None:
        option, place = started_with
        raise Refused(
            f"sshd is started with {option} at {place}, which goes before {site.sshd.config}: take that away "
            "(the package ec2-instance-connect puts such a thing there: remove it), then run `eic-sshd enable`"
        )


def _plan(site: Site, effective: Dict[str, str], chain: bool) -> Optional[Plan]:
    """What is to be in place; None where somebody has put us in place by hand.

    Raises Refused where the site has to decide first.
    """
    named = effective.get(COMMAND, "none")
    if is_ours(named) and not any(os.path.lexists(path) for path in site.our_drop_ins):
        site.say(f"sshd asks eic-sshd already, by a line of your own: AuthorizedKeysCommand {named}")
        if chain:
            site.say("that line is left alone, so nothing is chained: take it away, then run `eic-sshd enable --chain`")
        return None
    _require_ours_unconditional(site)
    command, user = own_command(site, effective)
    if command is None:
        if chain:
            site.say("sshd has no other AuthorizedKeysCommand, so there is none to chain")
        return PLAIN
    if chain or is_marked(read(site.chain_config) or ""):
        return _chained(site, command, user)
    if is_ours(named):
        site.say(f"sshd does not run {command} ({place(site, command)}): `eic-sshd enable --chain` has both run")
        return PLAIN
    raise Refused(
        f"sshd runs another AuthorizedKeysCommand, which is left as it is: {command} ({place(site, command)}); "
        "`eic-sshd enable --chain` has sshd ask eic-sshd first, and eic-sshd run that command as well"
    )


def _require_ours_unconditional(site: Site) -> None:
    """Lines of ours that somebody has put under a Match are to count there only; written anew they would everywhere."""
    for line in site.sshd_config().lines(COMMAND):
        if line.match is not None and is_ours(line.value) and line.file in site.our_drop_ins:
            raise Refused(f"{line.place} has sshd ask eic-sshd for `Match {line.match}` only: that is left as it is")


def own_command(site: Site, effective: Dict[str, str]) -> Tuple[Optional[str], str]:
    """The site's own command, None if it has none, and the user it runs as: what would be in force without us."""
    command, user = effective.get(COMMAND, "none"), effective.get(COMMAND_USER, "none")
    line = outside(site.commands())
    if is_ours(command):
        command, own_user = line.value if line else "none", outside(site.users())
        user = own_user.word if own_user else "none"
    if command.lower() != "none":
        return command, user
    if line is not None:
        raise Refused(f"{line.place} sets AuthorizedKeysCommand none: take that line away, then run `eic-sshd enable`")
    return None, user


def _chained(site: Site, command: str, user: str) -> Plan:
    """In front of `command`; sshd passes on what it alone knows and the command wants to be told."""
    where = f"{command} ({place(site, command)})"
    try:
        words = sshd_command.split(command)
        guarded.require_safe(words[0])
    except (ValueError, guarded.Unsafe) as problem:
        raise Refused(f"{where} can't be chained: {problem}") from None
    except OSError as error:
        raise Refused(f"{where} can't be chained: {error.strerror}") from None
    if not may_run_us(user):
        raise Refused(
            f"{where} can't be chained: it runs as AuthorizedKeysCommandUser {user}, and eic-sshd, which would run as "
            "the same, must be a single existing user other than root: name another"
        )
    tokens = "".join(f" --token {name}=%{name}" for name in sorted(sshd_command.only_sshd_knows(words)))
    return Plan(f"{sshd_command.FRONT_DOOR}{tokens} %u %f", user, command)


def _put_in_place(site: Site, plan: Plan, changes: Changes) -> None:
    _require_inclusion(site)
    wanted = [site.chain_config] if plan.chained else []
    # Where sshd runs the front door as another user, that user alone may ask at the socket.
    wanted += [site.socket_drop_in] if plan.user != USER else []
    remove_chain(site, changes, keep=wanted)
    if plan.chained is not None:
        _put_chain_in_place(site, plan, changes, plan.chained)
    path, text = _that_comes_first(site, plan)
    for other in site.our_drop_ins:
        if other != path:
            give_back(site, other, changes)
    changes.write(path, text)
    if not site.dry_run:
        _require_in_force(site, plan)


def _require_inclusion(site: Site) -> None:
    inclusion = site.sshd_config().inclusion_of(site.drop_in)
    include = f"Include {site.sshd_drop_ins}/*.conf"
    if inclusion is None:
        raise Refused(f"{site.sshd.config} does not include {site.drop_in}: add this as its first line: {include}")
    if inclusion.line.match is not None:
        raise Refused(
            f"{inclusion.line.place} includes {site.drop_in} for `Match {inclusion.line.match}` only: add this as the "
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
    before = blocking.place if blocking else "something"
    raise Refused(f"sshd reads {site.drop_in}, but {before} comes before it: move that below the Include line")


def _require_in_force(site: Site, plan: Plan) -> None:
    problem = site.sshd.problem()
    if problem is not None:
        raise Refused(f"sshd does not take it: {problem}")
    effective = site.sshd.effective()
    if (effective.get(COMMAND), effective.get(COMMAND_USER)) != (plan.command, plan.user):
        raise Refused(
            f"sshd -T still has {COMMAND} {effective.get(COMMAND)} and {COMMAND_USER} {effective.get(COMMAND_USER)}: "
            f"look for what in {site.sshd.config} sets them"
        )


def _put_chain_in_place(site: Site, plan: Plan, changes: Changes, command: str) -> None:
    for path in (site.chain_config, site.socket_drop_in):
        _require_marked(path)
    note = "# When you change or take away the command in sshd's configuration, run `eic-sshd enable` as well."
    changes.write(site.chain_config, marked(f"{note}\n[chain]\ncommand = {command}\n"))
    if plan.user != USER:
        changes.write(site.socket_drop_in, marked(f"[Socket]\nSocketUser={plan.user}\n"))
    if site.chain_config in changes.paths:
        site.say(f"{command} ({place(site, command)}) is run after eic-sshd's own answer ([chain] in eic-sshd.conf(5))")
    if site.dry_run:
        return
    problem = config_problem(plan.user, site.our_config)
    if problem is not None:
        raise Refused(f"eic-sshd would run as {plan.user}, for whom its configuration is invalid: {problem}")
    if config.load(site.our_config).chain.command != command:
        raise Refused(f"another file beside {site.chain_config} sets [chain] command as well: take that away")


def _require_marked(path: str) -> None:
    text = read(path)
    if text is not None and not is_marked(text):
        raise Refused(f"{path} would be overwritten, but is not of our making: give it another name")


def remove_chain(site: Site, changes: Changes, keep: Sequence[str] = ()) -> None:
    """Take away what goes with a chained command, as far as it is of our making, but for `keep`."""
    for path in (site.chain_config, site.socket_drop_in):
        if path not in keep and is_marked(read(path) or ""):
            changes.remove(path, and_folder=path == site.socket_drop_in)


def give_back(site: Site, path: str, changes: Changes) -> None:
    """Take our lines out of the drop-in at `path`; somebody else's stay in it."""
    text = read(path)
    if text is None:
        return
    others = others_in(text)
    if not others:
        changes.remove(path)
    elif len(others) != len(text.splitlines()):
        site.say(f"{path} has lines of somebody else's, which stay: {others[0].strip()}")
        changes.write(path, "".join(f"{line}\n" for line in others))


def place(site: Site, command: str) -> str:
    return next((line.place for line in site.commands() if line.value == command), site.sshd.config)
