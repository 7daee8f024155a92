# SPDX-License-Identifier: Apache-2.0
"""Having sshd no longer ask eic-sshd: the site is given back what it had."""

from __future__ import annotations

from typing import Optional

from . import Refused
from .changes import read
from .drop_in import is_marked, is_ours
from .enable import give_back
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
        for path in (site.chain_config, site.socket_drop_in):
            if is_marked(read(path) or ""):
                changes.remove(path)
        site.units.stop_socket(site.say, site.dry_run, anew=site.socket_drop_in in changes.paths)


def _tell_sshd(site: Site, was_broken: Optional[str]) -> None:
    """Also where nothing was changed: one that was broken off before may not have come to this."""
    if was_broken is not None:
        site.say(f"sshd's configuration does not read, as it did not before: {was_broken}; mend it, and restart sshd")
        return
    problem = None if site.dry_run else site.sshd.problem()
    if problem is not None:
        raise Refused(f"sshd does not take its configuration without eic-sshd: {problem}")
    site.units.reload_sshd(site.say, site.dry_run)
