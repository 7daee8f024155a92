# SPDX-License-Identifier: Apache-2.0
"""Having sshd no longer ask eic-sshd: the site is given back what it had."""

from __future__ import annotations

from typing import Optional

from . import Refused
from .drop_in import is_ours
from .enable import give_back, remove_chain
from .site import COMMAND, Site, require_root


def disable(site: Site) -> None:
    """Take away what `enable` put in place.

    Raises:
        Refused: if sshd would still ask eic-sshd, or would no longer read its configuration. Then all is as it was.
    """
    require_root()
    for line in site.sshd_config().lines(COMMAND):
        if is_ours(line.value) and line.file not in site.our_drop_ins:
            raise Refused(f"{line.place} has sshd ask eic-sshd too: take that line away, then run `eic-sshd disable`")
    was_broken = site.sshd.problem() if site.sshd.is_there() else None
    with site.all_or_nothing() as changes:
        for path in site.our_drop_ins:
            give_back(site, path, changes)
        if not changes.paths:
            site.say("sshd's configuration does not name eic-sshd")
        if site.sshd.is_there():
            _tell_sshd(site, was_broken)
        # Only now: until it was told, sshd went on asking.
        remove_chain(site, changes)
        site.units.stop_socket(site.say, site.dry_run, anew=site.socket_drop_in in changes.paths)


def _tell_sshd(site: Site, was_broken: Optional[str]) -> None:
    """Also where nothing was changed: an earlier run that was interrupted may not have got here."""
    if was_broken is not None:
        site.say(f"sshd's configuration is invalid, as it was before: {was_broken}; correct it, and reload sshd")
        return
    problem = None if site.dry_run else site.sshd.problem()
    if problem is not None:
        raise Refused(f"sshd does not take its configuration without eic-sshd: {problem}")
    site.units.reload_sshd(site.say, site.dry_run)
