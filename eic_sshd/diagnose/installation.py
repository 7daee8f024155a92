# SPDX-License-Identifier: Apache-2.0
"""Whether what `enable` put in place still fits the site: its configuration may have changed since."""

from __future__ import annotations

from typing import Iterator, Optional
from urllib.parse import urlsplit

from ..config.loader import where_set
from ..config.schema import Config
from ..host.accounts import may_run_us
from ..host.errors import MachineError
from ..sshd import commands, start_options
from ..sshd.commands import OwnCommand
from ..sshd.drop_in import is_ours
from ..sshd.site import Site
from . import access, obstacles, services, side_effects
from .access import config_problem, front_door_problem, require_runnable_by_hand
from .match_blocks import match_block_warnings, require_users_in_match_blocks
from .own_command import ways


def warnings(site: Site, config: Config) -> Iterator[str]:
    """Why a pushed key may not log in although sshd asks eic-sshd, a sentence each."""
    try:
        yield from obstacles.warnings(site, config.keys.types)
        command, user = commands.in_force(site)
        if is_ours(command):
            yield from match_block_warnings(site, user)
    except MachineError:
        return  # problems() says it


def problems(site: Site, config: Config) -> Iterator[str]:
    """What an administrator should know of, a sentence each, with what to do about it."""
    try:
        _require_sshd_reads_its_configuration(site)
        command, user = commands.in_force(site)
        own = commands.own_command(site, command, user)
        if not is_ours(command):
            yield _why_not_asked(own)
            return
        yield from _about_the_own_command(site, config, own)
        yield from _about_other_settings(site)
        if commands.by_hand(site) is not None:
            require_runnable_by_hand(site)
        require_users_in_match_blocks(site)
    except MachineError as refused:
        yield str(refused)
        return
    yield from _about_running_as(site, config, user)


def _require_sshd_reads_its_configuration(site: Site) -> None:
    require_started_by_its_configuration(site)
    problem = site.sshd_problem()
    if problem is not None:
        raise MachineError(f"sshd's configuration is invalid: {problem}")


def require_started_by_its_configuration(site: Site) -> None:
    """Nothing on sshd's command line must go before what its configuration says. Raises MachineError."""
    started_with = next(start_options.overriding(site.root, site.sshd.config), None)
    if started_with is not None:
        option, place = started_with
        raise MachineError(
            f"sshd is started with {option} at {place}, which goes before {site.sshd.config}: take that away "
            "(the package ec2-instance-connect puts such a thing there: remove it), then run `eic-sshd enable`"
        )


def _why_not_asked(own: Optional[OwnCommand]) -> str:
    if own is None:
        return "sshd does not ask eic-sshd: `eic-sshd enable` says why, or has it ask"
    return f"sshd does not ask eic-sshd, but runs {own}: {ways(own)}"


def _about_the_own_command(site: Site, config: Config, own: Optional[OwnCommand]) -> Iterator[str]:
    chained = config.chain.command
    place = (where_set(site.our_config, "chain", "command") or "") if chained else ""
    if chained is not None and own is None and place.startswith(f"{site.chain_config}:"):
        yield f"[chain] goes on with {chained}, which sshd's configuration has no more: `eic-sshd enable` ends that"
    if own is None or own.is_none or own.command in (chained, commands.replaced(site)):
        return
    if chained:
        yield f"sshd does not run {own}, and {chained} in its place: `eic-sshd enable` has it run"
    else:
        yield f"sshd does not run {own}: {ways(own)}"


def _about_other_settings(site: Site) -> Iterator[str]:
    before = side_effects.without_us(site, site.sshd)
    difference = side_effects.difference(before, side_effects.observe(site.sshd, list(before)))
    if difference is not None:
        yield (
            f"because of where eic-sshd's lines are, sshd -T has {difference}: `eic-sshd enable` moves them, or says "
            "why it can't"
        )


def _about_running_as(site: Site, config: Config, user: str) -> Iterator[str]:
    if not may_run_us(user):
        yield (
            f"sshd runs eic-sshd as AuthorizedKeysCommandUser {user}, which must be a single existing user other than "
            "root: `eic-sshd enable` corrects it"
        )
        return
    cannot = front_door_problem(user, site.front_door)
    if cannot is not None:
        yield cannot
    invalid = config_problem(user, site.our_config)
    if invalid is not None:
        yield f"sshd runs eic-sshd as {user}, for whom its configuration is invalid: {invalid}"
    yield from services.problems(site.root, urlsplit(config.imds.endpoint).hostname or "")
    yield from access.problems(user, site.socket, services.is_listening(site.root))
