# SPDX-License-Identifier: Apache-2.0
"""Whether what `enable` put in place still fits the site: its configuration may have changed since."""

from __future__ import annotations

from typing import Iterator
from urllib.parse import urlsplit

from ..settings import Config
from . import Refused
from .as_user import config_problem, front_door_problem, may_run_us
from .drop_in import is_ours
from .site import Site
from .sshd_config import COMMAND, COMMAND_USER


def problems(site: Site, config: Config) -> Iterator[str]:
    """What an administrator should know of, a sentence each, with the way out."""
    try:
        site.require_started_by_its_configuration()
        effective = site.sshd.effective()
        if not is_ours(effective[COMMAND]):
            yield "sshd does not ask eic-sshd: `eic-sshd enable` says why, or has it ask"
            return
        command, _ = site.own_command(effective)
    except Refused as problem:
        yield str(problem)
        return
    chained = config.chain.command
    if chained is not None and command is None:
        yield f"[chain] goes on with {chained}, which sshd's configuration has no more: `eic-sshd enable` ends that"
    elif command is not None and command != chained:
        instead = f", and {chained} in its place" if chained else ""
        way = "`eic-sshd enable`" if chained else "`eic-sshd enable --chain`"
        yield f"sshd does not run {command} ({site.place(command)}){instead}: {way} has it run"
    user = effective[COMMAND_USER]
    if not may_run_us(user):
        yield (
            f"sshd runs eic-sshd as AuthorizedKeysCommandUser {user}, which must be a single existing user other than "
            "root: `eic-sshd enable` says where, or mends it"
        )
        return
    cannot = front_door_problem(user, site.front_door)
    if cannot is not None:
        yield f"sshd can't run {site.front_door} as {user}: {cannot}"
    invalid = config_problem(user, site.our_config)
    if invalid is not None:
        yield f"sshd runs eic-sshd as {user}, for whom its configuration is invalid: {invalid}"
    yield from site.units.problems(urlsplit(config.imds.endpoint).hostname or "")
