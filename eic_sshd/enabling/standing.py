# SPDX-License-Identifier: Apache-2.0
"""Whether what `enable` put in place still fits the site: its configuration may have changed since."""

from __future__ import annotations

from typing import Iterator

from ..settings import Config
from . import Refused
from .as_user import config_problem, may_run_us
from .drop_in import is_ours
from .enable import own_command, place
from .site import COMMAND, COMMAND_USER, Site


def problems(site: Site, config: Config) -> Iterator[str]:
    """What an administrator should know of, a sentence each, with the way out."""
    try:
        effective = site.sshd.effective()
        if not is_ours(effective.get(COMMAND, "none")):
            yield "sshd does not ask eic-sshd: `eic-sshd enable` says why, or has it ask"
            return
        command, _ = own_command(site, effective)
    except Refused as problem:
        yield str(problem)
        return
    chained = config.chain.command
    if chained is not None and command is None:
        yield f"[chain] goes on with {chained}, which sshd's configuration has no more: `eic-sshd enable` ends that"
    elif command is not None and command != chained:
        instead = f", and {chained} in its place" if chained else ""
        way = "`eic-sshd enable`" if chained else "`eic-sshd enable --chain`"
        yield f"sshd does not run {command} ({place(site, command)}){instead}: {way} has it run"
    user = effective.get(COMMAND_USER, "none")
    if not may_run_us(user):
        yield f"sshd runs eic-sshd as {user}, which must be a single existing user other than root"
        return
    invalid = config_problem(user, site.our_config)
    if invalid is not None:
        yield f"sshd runs eic-sshd as {user}, for whom its configuration is invalid: {invalid}"
    if site.units.socket_has_failed():
        yield "eic-sshd.socket has failed, so each login is slower: `systemctl restart eic-sshd.socket`"
