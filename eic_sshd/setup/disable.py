# SPDX-License-Identifier: Apache-2.0
"""Having sshd no longer ask eic-sshd: the site is given back what it had."""

from __future__ import annotations

import time
from typing import Optional

from ..config.loader import load_or_refuse
from ..host.errors import MachineError
from ..host.plain_files import read
from ..sshd.config_file import COMMAND
from ..sshd.drop_in import is_marked, is_ours
from . import StillAsks, chain
from .changes import Changes
from .target import Target

_MARGIN = 1.0  # seconds beyond the deadline, for sshd to start the command and to take what it says


def disable(target: Target) -> None:
    """Take away what `enable` put in place.

    Raises:
        Refused: if it can't be done. Then all is as it was; StillAsks where a running sshd may go on asking eic-sshd.
        Unfinished: if it is done, and an sshd did not outlive being told.
    """
    for line in target.site.sshd_config().lines(COMMAND):
        if is_ours(line.value) and line.file not in target.site.our_drop_ins:
            raise StillAsks(f"{line.place} has sshd ask eic-sshd too: take that line away, then run `eic-sshd disable`")
    if target.site.sshd.is_there() and target.site.sshd.effective_or_nothing().get("authorizedkeysfile") == "none":
        target.say("sshd has `AuthorizedKeysFile none`: once it does not ask eic-sshd, no key at all logs in")
    before = _problem(target)
    with target.all_or_nothing() as changes:
        _give_back(target, changes)
        if not changes.paths:
            target.say("sshd's configuration does not name eic-sshd")
        problem = before if target.dry_run else _problem(target)
        if problem is not None:
            _require_nobody_harmed(target, changes, problem, before)
        elif target.site.sshd.is_there() and (changes.paths or target.site.was_told()):
            _tell_sshd(target)
        # Only now: until it was told, sshd went on asking.
        _wait_for_logins_under_way(target)
        chain.remove(target, changes)
        target.units.stop_socket(anew=target.site.socket_drop_in in changes.paths)
        if problem is None:
            target.forget_that_sshd_was_told()
    target.units.require_sshd_back()


def _give_back(target: Target, changes: Changes) -> None:
    """Take our lines out of sshd's configuration. Raises Refused, StillAsks where they are still in it."""
    try:
        for path in target.site.our_drop_ins:
            target.give_back(path, changes)
    except MachineError as problem:
        if any(is_ours(line.value) for line in target.site.sshd_config().lines(COMMAND)):
            raise StillAsks(str(problem)) from problem
        raise


def _problem(target: Target) -> Optional[str]:
    return target.site.sshd_problem() if target.site.sshd.is_there() else None


def _require_nobody_harmed(target: Target, changes: Changes, problem: str, before: Optional[str]) -> None:
    """Where sshd does not take its configuration, be it that it did not `before` either. Raises StillAsks."""
    if before is None:
        raise StillAsks(f"sshd does not take its configuration without eic-sshd: {problem}")
    if (changes.paths or target.site.was_told()) and target.site.waiting(target.site.sshd):
        raise StillAsks(
            f"sshd's configuration is invalid, so the sshd that runs can't be told, and would go on asking: {problem}; "
            "correct it, then run `eic-sshd disable`"
        )
    target.say(f"sshd's configuration is invalid, as it was before: {problem}")


def _tell_sshd(target: Target) -> None:
    """Also where nothing was changed since an earlier run that was interrupted. Raises StillAsks."""
    try:
        target.reload_sshd()
    except MachineError as problem:
        raise StillAsks(f"{problem}; correct it, then run `eic-sshd disable`") from problem


def _wait_for_logins_under_way(target: Target) -> None:
    """Those that had begun before sshd was told still ask us, and are to get what a chained command adds."""
    if target.units.told_sshd and is_marked(read(target.site.chain_config) or ""):
        target.say("waiting for logins that are under way")
        time.sleep(load_or_refuse(target.site.our_config)[0].imds.deadline + _MARGIN)
