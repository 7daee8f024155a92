# SPDX-License-Identifier: Apache-2.0
"""Finds the drop-in in which our lines take effect and change no other setting."""

from __future__ import annotations

from typing import Tuple

from ..diagnose import side_effects
from ..diagnose.finding import Finding, error
from ..host.plain_files import read
from ..sshd.config_file import COMMAND, COMMAND_USER, SshdConfig, outside
from ..sshd.drop_in import Plan, foreign_lines
from ..sshd.site import Site
from . import SetupRefused

_PRINCIPALS = "authorizedprincipalscommand"


def place(site: Site, plan: Plan, before: side_effects.InForce) -> Tuple[str, str]:
    """The path of the drop-in for `plan`, and its text; foreign lines stay in it.

    `before` is what is effective without our lines. Raises SetupRefused where no drop-in makes `plan` effective.
    """
    preceding, changed = None, None
    stripped = site.drop_ins_without_our_lines()
    for path in site.our_drop_ins:
        text = plan.text(foreign_lines(read(path) or ""))
        config = site.sshd_config({**stripped, path: text})
        command, user = outside(config.lines(COMMAND)), outside(config.lines(COMMAND_USER))
        if not (command and user and (command.value, user.word) == (plan.command, plan.user)):
            first = next((line for line in (command, user) if line and line.file != path), None)
            preceding = preceding or first
            continue
        difference = side_effects.difference(before, side_effects.would_be(site.sshd, config, list(before)))
        if difference is None:
            return path, text
        changed = changed or difference
    if changed is not None:
        raise SetupRefused(_setting_changed(site.sshd_config(stripped), changed))
    raise SetupRefused(
        error(
            "line-precedes-ours",
            preceding.place if preceding else site.sshd.config,
            f"a line here precedes {site.drop_in}, so that would have no effect",
            "Move it below the Include line, then run `eic-sshd enable`",
        )
    )


def _setting_changed(config: SshdConfig, changed: side_effects.Difference) -> Finding:
    if changed.keyword != _PRINCIPALS:
        return error(
            "other-setting-changed",
            config.path,
            f"eic-sshd's lines would change another setting (sshd -T would print {changed.text()})",
            "Find the line that sets it",
        )
    lines = [line for line in config.lines(_PRINCIPALS) if line.match is None and line.value == changed.before]
    return error(
        "principals-command-lost",
        lines[-1].place if lines else config.path,
        f"AuthorizedPrincipalsCommand would become {changed.after}, and certificates that it allows would no longer "
        "log in (OpenSSH before 9.4 ignores it after an AuthorizedKeysCommand)",
        f"Move that line above the Include line of {config.path}, then run `eic-sshd enable`",
    )
