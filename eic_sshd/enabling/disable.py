# SPDX-License-Identifier: Apache-2.0
"""Having sshd no longer ask eic-sshd: the site is given back what it had."""

from __future__ import annotations

import re
from typing import Optional

from . import Refused
from .changes import Changes
from .site import Site, is_ours, require_root

_OURS = re.compile(r"\s*(#.*|AuthorizedKeysCommand(User)?[\s=].*)?", re.IGNORECASE)


def disable(site: Site) -> None:
    """Take away what `enable` put in place.

    Raises:
        Refused: if sshd would still ask eic-sshd, or would no longer read its configuration. Then all is as it was.
    """
    require_root()
    strange = next((one for one in site.commands() if is_ours(one.value) and one.file not in site.our_drop_ins), None)
    if strange is not None:
        raise Refused(f"{strange.place} has sshd ask eic-sshd too: take that line away, then run `eic-sshd disable`")
    was_broken = site.sshd.problem() if site.sshd.is_there() else None
    changes = Changes(site.say, site.dry_run)
    try:
        for path in site.our_drop_ins:
            _empty(site, path, changes)
        changed = bool(changes.paths)
        changes.remove(site.chain_config)
        changes.remove(site.socket_drop_in)
        if changed and site.sshd.is_there():
            _reload(site, was_broken)
    except BaseException:
        changes.put_back()
        raise
    if not changed:
        site.say("sshd does not ask eic-sshd")
    site.units.stop_socket(site.say, site.dry_run, anew=site.socket_drop_in in changes.paths)


def _empty(site: Site, path: str, changes: Changes) -> None:
    """Take our lines away; what somebody else has put into the file stays in it."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            others = [line for line in file.read().splitlines() if not _OURS.fullmatch(line)]
    except FileNotFoundError:
        return
    if not others:
        changes.remove(path)
        return
    site.say(f"{path} has lines of somebody else's, which stay: {others[0].strip()}")
    changes.write(path, "\n".join(others) + "\n")


def _reload(site: Site, was_broken: Optional[str]) -> None:
    if was_broken is not None:
        site.say(f"sshd's configuration does not read, as it did not before: {was_broken}; mend it, and restart sshd")
        return
    problem = None if site.dry_run else site.sshd.problem()
    if problem is not None:
        raise Refused(f"sshd does not take its configuration without eic-sshd: {problem}")
    site.units.reload_sshd(site.say, site.dry_run)
