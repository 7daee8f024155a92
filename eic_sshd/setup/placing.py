# SPDX-License-Identifier: Apache-2.0
"""Which of our drop-ins has sshd do what is planned, and change nothing else."""

from __future__ import annotations

from typing import Dict, Tuple

from ..diagnose import side_effects
from ..host.plain_files import read
from ..sshd.config_file import COMMAND, COMMAND_USER, SshdConfig, outside
from ..sshd.drop_in import Plan, others_in, without_ours
from ..sshd.site import Site
from . import Refused

_PRINCIPALS = "authorizedprincipalscommand"


def place(site: Site, plan: Plan, before: side_effects.InForce) -> Tuple[str, str]:
    """The drop-in by which sshd comes to do what is planned, and its text; another author's lines stay in it. `before`
    is what sshd has in force without us. Raises Refused where there is no such drop-in."""
    blocking, different = None, None
    for path in site.our_drop_ins:
        text = plan.text(others_in(read(path) or ""))
        texts = {**_without_us(site), path: text}
        reading = site.sshd_config(texts)
        command, user = outside(reading.lines(COMMAND)), outside(reading.lines(COMMAND_USER))
        if not (command and user and (command.value, user.word) == (plan.command, plan.user)):
            first = next((line for line in (command, user) if line and line.file != path), None)
            blocking = blocking or first
            continue
        difference = side_effects.difference(before, side_effects.would_be(site.sshd, reading, list(before)))
        if difference is None:
            return path, text
        different = different or difference
    if different is not None:
        raise Refused(_way_out(site.sshd_config(_without_us(site)), different))
    where = blocking.place if blocking else f"a line of {site.sshd.config} that `sshd -T` goes by"
    raise Refused(f"sshd reads {site.drop_in}, but {where} comes before it: move that below the Include line")


def _without_us(site: Site) -> Dict[str, str]:
    texts = {path: read(path) for path in site.our_drop_ins}
    return {path: without_ours(text) for path, text in texts.items() if text is not None}


def _way_out(config: SshdConfig, difference: side_effects.Difference) -> str:
    if difference.keyword != _PRINCIPALS:
        return f"with eic-sshd, sshd -T would have {difference}: see which line of {config.path} sets that"
    lines = [line for line in config.lines(_PRINCIPALS) if line.match is None and line.value == difference.before]
    where = lines[-1].place if lines else config.path
    return (
        f"{where}: AuthorizedPrincipalsCommand would become {difference.after}, and certificates that it allows would "
        "no longer log in (OpenSSH before 9.4 takes none that it reads after an AuthorizedKeysCommand). Move that line "
        f"above the Include line of {config.path}, then run `eic-sshd enable`"
    )
