# SPDX-License-Identifier: Apache-2.0
"""Having sshd no longer ask eic-sshd: the site is given back what it had."""

from __future__ import annotations

import time
from typing import Dict, Optional

from ..config.loader import load_or_refuse
from . import Refused, StillAsks, chaining
from .changes import Changes, read
from .drop_in import is_marked, is_ours
from .site import Site
from .sshd_config import COMMAND

_MARGIN = 1.0  # seconds beyond the deadline, for sshd to start the command and to take what it says


def disable(site: Site) -> None:
    """Take away what `enable` put in place.

    Raises:
        Refused: if it can't be done. Then all is as it was; StillAsks where a running sshd may go on asking eic-sshd.
        Unfinished: if it is done, and an sshd did not outlive being told.
    """
    for line in site.sshd_config().lines(COMMAND):
        if is_ours(line.value) and line.file not in site.our_drop_ins:
            raise StillAsks(f"{line.place} has sshd ask eic-sshd too: take that line away, then run `eic-sshd disable`")
    if site.sshd.is_there() and site.sshd.effective_or_nothing().get("authorizedkeysfile") == "none":
        site.say("sshd has `AuthorizedKeysFile none`: once it does not ask eic-sshd, no key at all logs in")
    before, others_before = _problem(site), site.problems_of(site.others())
    with site.all_or_nothing() as changes:
        _give_back(site, changes)
        if not changes.paths:
            site.say("sshd's configuration does not name eic-sshd")
        problem = before if site.dry_run else _problem(site)
        if problem is not None:
            _require_nobody_harmed(site, changes, problem, before)
        elif site.sshd.is_there() and (changes.paths or site.was_told()):
            _tell_sshd(site, changes, others_before)
        # Only now: until it was told, sshd went on asking.
        _wait_for_logins_under_way(site)
        chaining.remove(site, changes)
        site.units.stop_socket(anew=site.socket_drop_in in changes.paths)
        if problem is None:
            site.forget_that_sshd_was_told()
    site.units.require_sshd_back()


def _give_back(site: Site, changes: Changes) -> None:
    """Take our lines out of sshd's configuration. Raises Refused, StillAsks where they are still in it."""
    try:
        for path in site.our_drop_ins:
            site.give_back(path, changes)
    except Refused as problem:
        if any(is_ours(line.value) for line in site.sshd_config().lines(COMMAND)):
            raise StillAsks(str(problem)) from problem
        raise


def _problem(site: Site) -> Optional[str]:
    return site.sshd_problem() if site.sshd.is_there() else None


def _require_nobody_harmed(site: Site, changes: Changes, problem: str, before: Optional[str]) -> None:
    """Where sshd does not take its configuration, be it that it did not `before` either. Raises StillAsks."""
    if before is None:
        raise StillAsks(f"sshd does not take its configuration without eic-sshd: {problem}")
    if (changes.paths or site.was_told()) and site.units.waiting(site.sshd):
        raise StillAsks(
            f"sshd's configuration is invalid, so the sshd that runs can't be told, and would go on asking: {problem}; "
            "correct it, then run `eic-sshd disable`"
        )
    site.say(f"sshd's configuration is invalid, as it was before: {problem}")


def _tell_sshd(site: Site, changes: Changes, others_before: Dict[str, str]) -> None:
    """Also where nothing was changed since an earlier run that was interrupted. Raises StillAsks."""
    if changes.paths and others_before:
        config, problem = next(iter(others_before.items()))
        raise StillAsks(
            f"an sshd here goes by {config}, which includes {site.sshd_drop_ins} too, and can't be told, since that is "
            f"invalid: {problem}; correct it, then run `eic-sshd disable`"
        )
    try:
        site.reload_sshd(others_before)
    except Refused as problem:
        if changes.paths:
            raise StillAsks(str(problem)) from problem
        site.say(str(problem))


def _wait_for_logins_under_way(site: Site) -> None:
    """Those that had begun before sshd was told still ask us, and are to get what a chained command adds."""
    if site.units.told_sshd and is_marked(read(site.chain_config) or ""):
        site.say("waiting for logins that are under way")
        time.sleep(load_or_refuse(site.our_config)[0].imds.deadline + _MARGIN)
