# SPDX-License-Identifier: Apache-2.0
"""Adds eic-sshd to sshd's configuration: in front of the site's own command, or in its place, only if requested."""

from __future__ import annotations

import enum
from typing import Optional, Tuple

from ..config.loader import load_or_refuse
from ..diagnose import access, installation, match_blocks, obstacles, side_effects, site_command
from ..diagnose.finding import error
from ..host.plain_files import read
from ..paths import ACCOUNT
from ..sshd import commands
from ..sshd.commands import SiteCommand
from ..sshd.config_file import COMMAND, COMMAND_USER, Line
from ..sshd.drop_in import PLAIN, Plan, has_chain_mark, is_of_older_version, is_ours
from . import SetupRefused, chain, refuse_on
from .changes import Changes
from .placing import place
from .target import Target


class Existing(enum.Enum):
    """What `enable` does with the site's own AuthorizedKeysCommand."""

    KEEP = "keep"
    CHAIN = "chain"
    REPLACE = "replace"


def enable(target: Target, existing: Existing = Existing.KEEP) -> None:
    """Configure sshd to run eic-sshd, and handle the site's own AuthorizedKeysCommand according to `existing`.

    Raises:
        SetupRefused, MachineError: if that is not possible. Then all is as it was.
        SshdNotListening: if it is done, and an sshd that was reloaded does not listen.
    """
    site = target.site
    refuse_on(access.missing_parts(site))
    refuse_on(installation.sshd_config_problems(site))
    by_hand = commands.line_by_hand(site)
    if by_hand is not None:
        _keep_line_by_hand(target, by_hand, existing)
        return
    refuse_on(installation.second_sshds(site))
    plan, own = _plan(target, existing)
    refuse_on(match_blocks.plan_problems(site, plan))
    with target.all_or_nothing() as changes:
        _write(target, plan, own, changes)
        if not changes.paths:
            target.report("sshd already runs eic-sshd")
        if existing is Existing.REPLACE and own is not None:
            target.report(f"{own.command} ({own.place}) does not run until `eic-sshd disable` restores it")
        if site.chain_config in changes.paths:
            target.services.reload_daemon()
        target.note_reload()
        target.reload_sshd()
        target.services.start_socket(settings_changed=site.socket_drop_in in changes.paths)
    _report_warnings(target, plan.user)
    target.services.require_sshd_listening()


def renew(target: Target) -> None:
    """Replace the lines of an older version, if sshd runs eic-sshd by them; change nothing otherwise.

    Raises as `enable` does.
    """
    site = target.site
    command, _ = commands.in_force(site)
    if not is_of_older_version(command) or commands.line_by_hand(site) is not None:
        return
    refuse_on(installation.sshd_config_problems(site))
    plan, own = _plan(target, Existing.KEEP)
    with target.all_or_nothing() as changes:
        _write(target, plan, own, changes)
        if site.chain_config in changes.paths:
            target.services.reload_daemon()
        target.note_reload()
        target.reload_sshd()
    target.services.require_sshd_listening()


def _keep_line_by_hand(target: Target, line: Line, existing: Existing) -> None:
    """sshd runs eic-sshd by a `line` of the site. Raises SetupRefused where it cannot by that line."""
    site = target.site
    refuse_on(access.problems_of_line_by_hand(site))
    target.report(
        f"sshd already runs eic-sshd, by a line of your own: AuthorizedKeysCommand {line.value} ({line.place})"
    )
    if existing is not Existing.KEEP:
        done = "chained" if existing is Existing.CHAIN else "replaced"
        target.report(
            f"that line is kept, so nothing is {done}: remove it, then run `eic-sshd enable --{existing.value}`"
        )
    with target.all_or_nothing() as changes:
        if commands.site_command(site, *commands.in_force(site)) is None:
            chain.remove(target, changes)
        if site.chain_config in changes.paths:
            target.services.reload_daemon()
        target.note_reload()
        target.services.start_socket(settings_changed=site.socket_drop_in in changes.paths)
    _report_warnings(target, commands.in_force(site)[1])


def _plan(target: Target, existing: Existing) -> Tuple[Plan, Optional[SiteCommand]]:
    """The lines to write, and the site's own command. Raises SetupRefused where the administrator has to decide."""
    site = target.site
    _require_ours_unconditional(target)
    command, user = commands.in_force(site)
    own = commands.site_command(site, command, user)
    if own is None:
        if existing is not Existing.KEEP:
            target.report(f"sshd has no other AuthorizedKeysCommand to {existing.value}")
        return PLAIN, None
    if existing is Existing.REPLACE:
        return PLAIN._replace(replaced=own.command), own
    replaced = commands.replaced(site)
    if own.is_none and existing is Existing.KEEP and replaced != own.command:
        if is_ours(command):
            return PLAIN, None
        raise SetupRefused(
            error(
                "command-none",
                own.place,
                "it sets AuthorizedKeysCommand none",
                "Remove that line, then run `eic-sshd enable`, or run `eic-sshd enable --replace`",
            )
        )
    if existing is Existing.CHAIN or has_chain_mark(read(site.chain_config) or ""):
        return chain.plan(own), own
    if replaced == own.command:
        return PLAIN._replace(replaced=replaced), own
    if is_ours(command):
        target.report(site_command.command_does_not_run(own).text())
        return PLAIN._replace(replaced=replaced), own
    raise SetupRefused(site_command.other_command_runs(own))


def _require_ours_unconditional(target: Target) -> None:
    """Lines of ours under a Match line apply there only; written again they would apply everywhere."""
    for line in target.site.sshd_config().lines(COMMAND):
        if line.match is not None and is_ours(line.value) and line.file in target.site.our_drop_ins:
            raise SetupRefused(
                error(
                    "our-line-in-match-block",
                    line.place,
                    f"sshd runs eic-sshd for `Match {line.match}` only, by this line",
                    "Remove the line to use eic-sshd for all users, then run `eic-sshd enable`",
                )
            )


def _write(target: Target, plan: Plan, own: Optional[SiteCommand], changes: Changes) -> None:
    site = target.site
    refuse_on(installation.inclusion_problems(site))
    needed = [site.chain_config] if plan.chained else []
    # Where sshd runs eic-sshd as another user, only that user may use the socket.
    needed += [site.socket_drop_in] if plan.user != ACCOUNT else []
    chain.remove(target, changes, keep=needed)
    if plan.chained is not None and own is not None:
        chain.write(target, plan, changes, own)
    before = side_effects.without_our_lines(site)
    path, text = place(site, plan, before)
    for other in site.our_drop_ins:
        if other != path:
            target.remove_our_lines(other, changes)
    changes.write(path, text)
    if not target.dry_run:
        _require_in_force(target, plan, before)


def _require_in_force(target: Target, plan: Plan, before: side_effects.InForce) -> None:
    site = target.site
    problem = site.config_problem()
    if problem is not None:
        raise SetupRefused(error("change-rejected", site.sshd.config, f"sshd rejects the change ({problem})"))
    now = commands.in_force(site)
    if now != (plan.command, plan.user):
        raise SetupRefused(
            error(
                "change-without-effect",
                site.sshd.config,
                f"the change has no effect (sshd -T prints {COMMAND} {now[0]}, {COMMAND_USER} {now[1]})",
                "Find the lines that set them",
            )
        )
    after = side_effects.observe(site.sshd, list(before))
    lost = next((connection for connection in before if connection not in after), None)
    if lost is not None:
        problem = f"`sshd -T` would fail where it did not before (-C user={lost.user} -C addr={lost.addr})"
        raise SetupRefused(error("connection-without-settings", site.sshd.config, problem))
    difference = side_effects.difference(before, after)
    if difference is not None:
        problem = f"the change alters a setting that is not eic-sshd's (sshd -T prints {difference.text()})"
        raise SetupRefused(error("other-setting-changed", site.sshd.config, problem))


def _report_warnings(target: Target, user: str) -> None:
    """Report what denies pushed keys; `user` is the one that sshd runs eic-sshd as."""
    types = load_or_refuse(target.site.our_config)[0].keys.types
    found = [*obstacles.warnings(target.site, types), *match_blocks.exceptions(target.site, user)]
    for finding in found:
        target.report(f"{finding.severity.value}: {finding.text()}")
