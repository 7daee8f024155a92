# SPDX-License-Identifier: Apache-2.0
"""Whether the service could look up users and groups that another machine has (nsswitch.conf(5)).

systemd lets eic-sshd.service reach IMDS only. A source that asks a local daemon, as `sss` does, is not affected.
"""

from __future__ import annotations

import re
from typing import Iterator

from ..paths import SERVICE_UNIT
from .finding import Finding, warning

# These libraries connect to a server themselves. nslcd's `ldap` does not, but cannot be told apart by its name.
_OVER_THE_NETWORK = ("ldap", "nis", "nisplus", "hesiod")


def findings(nsswitch: str, path: str, allowed: str, has_local_daemon: bool) -> Iterator[Finding]:
    """A warning for each database in the text `nsswitch` of `path` that the service cannot use.

    `allowed` is IPAddressAllow= of the service. `has_local_daemon` says whether nslcd answers for `ldap`.
    """
    if "any" in allowed.split() or "0.0.0.0/0" in allowed.split():
        return
    for number, line in enumerate(nsswitch.splitlines(), start=1):
        database, _, sources = line.partition("#")[0].partition(":")
        if database.strip() not in ("passwd", "group"):
            continue
        for source in re.sub(r"\[[^\]]*\]", " ", sources).split():
            if source in _OVER_THE_NETWORK and not (source == "ldap" and has_local_daemon):
                yield warning(
                    "user-database-unreachable",
                    f"{path}:{number}",
                    f"{database.strip()} uses {source}, whose server {SERVICE_UNIT} may not reach, so a user or group "
                    "there is looked up without the daemon, which is slower",
                    f"Add IPAddressAllow=SERVER under [Service] with `systemctl edit {SERVICE_UNIT}`",
                )
