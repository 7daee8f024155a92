# SPDX-License-Identifier: Apache-2.0
"""Whether sshd runs eic-sshd, and whether what `enable` wrote still fits sshd's configuration."""

from __future__ import annotations

import os
import re
from typing import Iterator, Optional
from urllib.parse import urlsplit

from ..config.loader import where_set
from ..config.schema import Config
from ..host import packages
from ..host.accounts import is_single_ordinary_user
from ..host.errors import MachineError
from ..sshd import commands, start_options
from ..sshd.commands import SiteCommand
from ..sshd.drop_in import PLAIN, has_valid_arguments, is_ours
from ..sshd.site import Site
from . import access, match_blocks, obstacles, policies, services, side_effects, site_command
from .finding import Finding, error, from_machine_error
from .sshd_commands import is_plain_path, sshd_unit

# With one of these, sshd does not run the program, or as no user that could be tried.
_NOT_RUN = frozenset({
    "sshd-unknown", "sshd-option-override", "sshd-config-invalid", "not-included", "included-in-match-block",
    "not-enabled", "other-command", "command-user-unusable", "match-block-user-unusable", "program-unsafe",
    "program-unusable",
})  # fmt: skip


def warnings(site: Site, config: Config) -> Iterator[Finding]:
    """Why a pushed key may not log in although sshd runs eic-sshd."""
    try:
        yield from obstacles.warnings(site, config.keys.types)
        command, user = commands.in_force(site)
        if is_ours(command):
            yield from match_blocks.exceptions(site, user)
        yield from policies.uid_warnings(site, config)
    except MachineError:
        return  # problems() reports it


def problems(site: Site, config: Config) -> Iterator[Finding]:
    """Why pushed keys do not work, or not as the site is configured."""
    found = list(command_problems(site, config))
    yield from found
    if _NOT_RUN.isdisjoint(one.code for one in found):
        try:
            user = commands.in_force(site)[1]
            yield from access.program_problems(site, user)
            yield from access.config_problems(site, user)
            yield from service_problems(site, config, user)
        except MachineError as raised:
            yield from_machine_error("sshd-unknown", raised)


def command_problems(site: Site, config: Config) -> Iterator[Finding]:
    """Why sshd does not run eic-sshd, or not as the site is configured."""
    try:
        unusable = list(sshd_config_problems(site))
        if unusable:
            yield from unusable
            return
        command, user = commands.in_force(site)
        own = commands.site_command(site, command, user)
        if not is_ours(command):
            yield from _not_enabled(site, own)
            return
        if not has_valid_arguments(command):
            yield error(
                "command-arguments-wrong",
                "AuthorizedKeysCommand",
                f"eic-sshd refuses these arguments, so no pushed key logs in ({command})",
                f"Write {PLAIN.command}",
            )
        yield from _site_command_problems(site, config, own)
        yield from _changed_settings(site)
        user_problems = list(match_blocks.user_problems(site))
        if commands.line_by_hand(site) is not None:
            user_problems = [*access.problems_of_line_by_hand(site), *user_problems]
        yield from user_problems
        if not user_problems and not is_single_ordinary_user(user):
            yield error(
                "command-user-unusable",
                site.sshd.config,
                f"sshd runs eic-sshd as AuthorizedKeysCommandUser {user}, {access.NOT_A_SINGLE_USER}",
                "Run `eic-sshd enable` to correct that",
            )
    except MachineError as raised:
        yield from_machine_error("sshd-unknown", raised)


def service_problems(site: Site, config: Config, user: str) -> Iterator[Finding]:
    """Why the daemon does not answer `user`, or cannot reach IMDS. Raises RunError."""
    yield from services.problems(site.root, urlsplit(config.imds.endpoint).hostname or "")
    yield from access.socket_problems(user, site.socket, services.is_listening(site.root))


def sshd_config_problems(site: Site) -> Iterator[Finding]:
    """Why sshd would not use its configuration, or could not. Raises MachineError."""
    override = next(start_options.overrides(site.root, site.sshd.config), None)
    if override is not None:
        option, place = override
        yield error(
            "sshd-option-override",
            place,
            f"sshd is started with {option}, which takes precedence over {site.sshd.config}",
            _without_option(place.rpartition(":")[0]),
        )
        return
    problem = site.config_problem()
    if problem is not None:
        yield invalid_sshd_config(site.sshd.config, problem)


def _without_option(file: str) -> str:
    """How to start sshd without the option in `file`: a unit, a drop-in of one, or a file of options."""
    unit = os.path.basename(os.path.dirname(file)).rpartition(".d")[0]
    start = "systemctl daemon-reload && systemctl restart"
    if os.path.basename(file) == "ec2-instance-connect.conf":
        return f"Run `{packages.remove('ec2-instance-connect')} && eic-sshd enable`"
    if unit and is_plain_path(file) and _is_about_start_only(file):
        return f"Run `rm {file} && {start} {unit} && eic-sshd enable`, which removes this drop-in of {unit}"
    return f"Remove that option, then run `{start} {sshd_unit()} && eic-sshd enable`"


def _is_about_start_only(drop_in: str) -> bool:
    try:
        with open(drop_in, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return False
    return all(re.match(r"$|[#;]|\[Service\]$|ExecStart(Pre)?=", line) for line in lines)


def invalid_sshd_config(config: str, problem: str, command: str = "enable") -> Finding:
    """The `problem` that `sshd -t` reports; `command` is the subcommand to run again."""
    return error(
        "sshd-config-invalid",
        config,
        f"sshd's configuration is invalid ({problem})",
        f"Correct it, then run `eic-sshd {command}`",
    )


def second_sshds(site: Site) -> Iterator[Finding]:
    """Other sshds whose configurations include our drop-ins.

    They would run eic-sshd too, and could lose a command or another setting. Raises MachineError.
    """
    for other in site.second_sshds():
        yield error(
            "second-sshd",
            other.config,
            f"a second sshd uses this file, which includes {site.sshd_drop_ins} too, so our lines would change it",
            "Include the files that it needs by name and reload it, or stop it, then run `eic-sshd enable`",
        )


def inclusion_problems(site: Site) -> Iterator[Finding]:
    """Why sshd would not read the file that `enable` writes, or for a Match block only."""
    inclusion = site.sshd_config().inclusion_of(site.drop_in)
    add = f"sed -i '1i Include {site.sshd_drop_ins}/*.conf' {site.sshd.config}"
    remedy = f"Run `{add} && eic-sshd enable`, which adds the line at the top"
    if inclusion is None:
        yield error("not-included", site.sshd.config, f"it does not include {site.drop_in}", remedy)
    elif inclusion.match is not None:
        problem = f"it includes {site.drop_in} for `Match {inclusion.match}` only"
        yield error("included-in-match-block", inclusion.place, problem, remedy)


def _not_enabled(site: Site, own: Optional[SiteCommand]) -> Iterator[Finding]:
    if own is not None:
        yield site_command.other_command_runs(own)
        return
    missing = list(inclusion_problems(site))
    yield from missing
    if not missing:
        yield error("not-enabled", "sshd", "it does not run eic-sshd", "Run `eic-sshd enable`")


def _site_command_problems(site: Site, config: Config, own: Optional[SiteCommand]) -> Iterator[Finding]:
    chained = config.chain.command
    place = (where_set(site.our_config, "chain", "command") or "") if chained else ""
    if chained is not None and own is None and place.startswith(f"{site.chain_config}:"):
        yield error(
            "chained-command-removed",
            place,
            f"[chain] command is no longer in sshd's configuration ({chained})",
            "Run `eic-sshd enable` to stop running it",
        )
    if own is None or own.is_none or own.command in (chained, commands.replaced(site)):
        return
    if chained:
        yield error(
            "chained-command-changed",
            own.place,
            f"eic-sshd runs {chained} in place of AuthorizedKeysCommand {own.command}",
            "Run `eic-sshd enable` to run the latter",
        )
    else:
        yield site_command.command_does_not_run(own)


def _changed_settings(site: Site) -> Iterator[Finding]:
    before = side_effects.without_our_lines(site)
    difference = side_effects.difference(before, side_effects.observe(site.sshd, list(before)))
    if difference is not None:
        yield error(
            "other-setting-changed",
            site.sshd.config,
            f"the place of eic-sshd's lines changes another setting (sshd -T prints {difference.text()})",
            "Run `eic-sshd enable` to move them",
        )
