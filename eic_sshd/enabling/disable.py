# SPDX-License-Identifier: Apache-2.0
"""Having sshd no longer ask eic-sshd: the site is given back what it had."""

from __future__ import annotations

import time

from ..config import load_or_refuse
from . import Refused, Unfinished, chaining
from .changes import read
from .drop_in import is_marked, is_ours
from .site import Site
from .sshd_config import COMMAND

_MARGIN = 1.0  # seconds beyond the deadline, for sshd to start the command and to take what it says


def disable(site: Site) -> None:
    """Take away what `enable` put in place.

    Raises:
        Refused: if sshd would still ask eic-sshd, or would no longer read its configuration. Then all is as it was.
        Unfinished: if sshd's configuration was invalid before, so that a running sshd still asks; or if an sshd did not
            outlive being told.
    """
    for line in site.sshd_config().lines(COMMAND):
        if is_ours(line.value) and line.file not in site.our_drop_ins:
            raise Refused(f"{line.place} has sshd ask eic-sshd too: take that line away, then run `eic-sshd disable`")
    if site.sshd.is_there() and site.sshd.effective_or_nothing().get("authorizedkeysfile") == "none":
        site.say("sshd has `AuthorizedKeysFile none`: once it does not ask eic-sshd, no key at all logs in")
    was_broken = site.sshd.problem() if site.sshd.is_there() else None
    with site.all_or_nothing() as changes:
        for path in site.our_drop_ins:
            site.give_back(path, changes)
        if not changes.paths:
            site.say("sshd's configuration does not name eic-sshd")
        if was_broken is None:
            if site.sshd.is_there():
                _tell_sshd(site)
            # Only now: until it was told, sshd went on asking.
            _wait_for_logins_under_way(site)
            chaining.remove(site, changes)
        site.units.stop_socket(anew=site.socket_drop_in in changes.paths)
    if was_broken is not None:
        raise Unfinished(
            f"sshd's configuration is invalid, as it was before, so sshd was told nothing: {was_broken}; correct it, "
            "reload sshd, and run `eic-sshd disable` once more"
        )
    site.units.require_sshd_back()


def _wait_for_logins_under_way(site: Site) -> None:
    """Those that had begun before sshd was told still ask us, and are to get what a chained command adds."""
    if site.units.told_sshd and is_marked(read(site.chain_config) or ""):
        site.say("waiting for logins that are under way")
        time.sleep(load_or_refuse(site.our_config)[0].imds.deadline + _MARGIN)


def _tell_sshd(site: Site) -> None:
    """Also where nothing was changed: an earlier run that was interrupted may not have got here."""
    problem = None if site.dry_run else site.sshd.problem()
    if problem is not None:
        raise Refused(f"sshd does not take its configuration without eic-sshd: {problem}")
    site.units.reload_sshd()
