# SPDX-License-Identifier: Apache-2.0
"""Removes eic-sshd from sshd's configuration, and restores what the site had."""

from __future__ import annotations

import time
from typing import Optional

from ..config.loader import load_or_refuse
from ..diagnose.finding import error, from_machine_error
from ..diagnose.installation import invalid_sshd_config
from ..host.errors import MachineError
from ..host.plain_files import read
from ..sshd.config_file import COMMAND
from ..sshd.drop_in import has_chain_mark, is_ours
from . import SshdStillConfigured, chain
from .changes import Changes
from .target import Target

_MARGIN = 1.0  # seconds beyond the deadline, for sshd to start the command and to read its output


def disable(target: Target) -> None:
    """Remove what `enable` wrote.

    Raises:
        MachineError: if that is not possible. Then all is as it was. It is SshdStillConfigured where an sshd may go on
            running eic-sshd.
        SshdNotListening: if it is done, and an sshd that was reloaded does not listen.
    """
    site = target.site
    for line in site.sshd_config().lines(COMMAND):
        if is_ours(line.value) and line.file not in site.our_drop_ins:
            remedy = "Remove that line, then run `eic-sshd disable`"
            raise SshdStillConfigured(error("line-by-hand", line.place, "sshd runs eic-sshd by this line too", remedy))
    if site.sshd.is_installed() and site.sshd.effective_or_nothing().get("authorizedkeysfile") == "none":
        target.report("sshd has `AuthorizedKeysFile none`, so without eic-sshd no key logs in")
    before = _config_problem(target)
    with target.all_or_nothing() as changes:
        _remove_lines(target, changes)
        if not changes.paths:
            target.report("sshd's configuration does not name eic-sshd")
        problem = before if target.dry_run else _config_problem(target)
        if problem is not None:
            _require_unused_configuration(target, changes, problem, before)
        elif site.sshd.is_installed() and (changes.paths or site.was_sshd_reloaded()):
            _reload_sshd(target)
        # Only now: until it was reloaded, sshd ran the command.
        _wait_for_pending_logins(target)
        chain.remove(target, changes)
        target.services.stop_socket(settings_changed=site.socket_drop_in in changes.paths)
        if problem is None:
            target.remove_reload_note()
    target.services.require_sshd_listening()


def _remove_lines(target: Target, changes: Changes) -> None:
    """Remove our lines from sshd's configuration. Raises MachineError, SshdStillConfigured where they are in use."""
    try:
        for path in target.site.our_drop_ins:
            target.remove_our_lines(path, changes)
    except MachineError as failure:
        if any(is_ours(line.value) for line in target.site.sshd_config().lines(COMMAND)):
            raise SshdStillConfigured(from_machine_error("lines-not-removed", failure)) from failure
        raise


def _config_problem(target: Target) -> Optional[str]:
    return target.site.config_problem() if target.site.sshd.is_installed() else None


def _require_unused_configuration(target: Target, changes: Changes, problem: str, before: Optional[str]) -> None:
    """sshd's configuration is invalid because of a `problem`, perhaps also `before`. Raises SshdStillConfigured."""
    site = target.site
    if before is None:
        problem = f"sshd's configuration is invalid without eic-sshd's lines ({problem})"
        remedy = "Correct it, then run `eic-sshd disable`"
        raise SshdStillConfigured(error("sshd-config-invalid", site.sshd.config, problem, remedy))
    if (changes.paths or site.was_sshd_reloaded()) and site.listeners(site.sshd):
        problem = f"{problem}; the running sshd cannot be reloaded and would go on running eic-sshd"
        raise SshdStillConfigured(invalid_sshd_config(site.sshd.config, problem, "disable"))
    target.report(f"{site.sshd.config}: sshd's configuration is invalid, as it was before ({problem})")


def _reload_sshd(target: Target) -> None:
    """Also where an earlier run was interrupted, and nothing is left to change. Raises SshdStillConfigured."""
    try:
        target.reload_sshd()
    except MachineError as failure:
        remedy = "Correct it, then run `eic-sshd disable`"
        raise SshdStillConfigured(error("sshd-not-reloaded", failure.subject, failure.problem, remedy)) from failure


def _wait_for_pending_logins(target: Target) -> None:
    """Logins that began before the reload still run eic-sshd, and need what the chained command adds."""
    if target.services.reload_sent and has_chain_mark(read(target.site.chain_config) or ""):
        target.report("waiting for pending logins")
        time.sleep(load_or_refuse(target.site.our_config)[0].imds.deadline + _MARGIN)
