# SPDX-License-Identifier: Apache-2.0
"""Why a pushed key does not log in though sshd asks eic-sshd: other settings of sshd's.

Who may log in at all (AllowUsers and its like, PAM) is not looked at: it differs from user to user.
"""

from __future__ import annotations

import fnmatch
from typing import Dict, FrozenSet, Iterator, Mapping, NamedTuple, Optional

from ..host.errors import MachineError
from ..sshd.config_file import Line, outside
from ..sshd.connections import ORDINARY, Connection, fulfilling
from ..sshd.site import Site

# The signature algorithms of a key (ssh-keygen(1), -Q key-sig): those of all others have the name of its type.
_ALGORITHMS = {
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
    "sk-ecdsa-sha2-nistp256@openssh.com": (
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    ),
}
# What has to be `yes` for a method of AuthenticationMethods to be there; sshd leaves out lists with one that is not.
_METHODS = {
    "publickey": "pubkeyauthentication", "password": "passwordauthentication", "hostbased": "hostbasedauthentication",
    "keyboard-interactive": "kbdinteractiveauthentication", "gssapi-with-mic": "gssapiauthentication",
}  # fmt: skip


class Obstacle(NamedTuple):
    """A setting of sshd's by which no pushed key logs in, and what to do about it."""

    keyword: str
    problem: str


def warnings(site: Site, types: FrozenSet[str]) -> Iterator[str]:
    """A sentence for each setting by which no pushed key of one of `types` logs in, or not within a Match block."""
    always = _obstacles_for(site, ORDINARY, types)
    for obstacle in always.values():
        yield f"{_place(site, obstacle, None)}: {obstacle.problem}"
    for block in site.sshd_config().blocks():
        within = _obstacles_for(site, fulfilling(block.match or ""), types)
        for keyword, obstacle in within.items():
            if obstacle != always.get(keyword):
                yield f"{_place(site, obstacle, block.match)}: for `Match {block.match}` {obstacle.problem}"


def _obstacles_for(site: Site, connection: Connection, types: FrozenSet[str]) -> Dict[str, Obstacle]:
    try:
        effective = site.sshd.effective(connection)
    except MachineError:
        return {}  # sshd -t takes it, and all that is known of it stands in Match lines
    return {obstacle.keyword: obstacle for obstacle in obstacles(effective, types)}


def _place(site: Site, obstacle: Obstacle, match: Optional[str]) -> str:
    """FILE:LINE of what sets it, or sshd's configuration as a whole."""
    lines = site.sshd_config().lines(obstacle.keyword)
    within = [line for line in lines if match is not None and line.match == match]
    line: Optional[Line] = next(iter(within), None) or outside(lines)
    return line.place if line else site.sshd.config


def obstacles(effective: Mapping[str, str], types: FrozenSet[str]) -> Iterator[Obstacle]:
    """Why no pushed key of one of `types` logs in by what is in force for a connection (keyword in lower case to value;
    one that is not there has its default)."""
    if effective.get("pubkeyauthentication", "yes").lower() == "no":
        yield Obstacle("pubkeyauthentication", "no key logs in, pushed or not, while PubkeyAuthentication is no")
        return
    if effective.get("refuseconnection", "no").lower() == "yes":
        yield Obstacle("refuseconnection", "nobody logs in while RefuseConnection is yes")
    methods = effective.get("authenticationmethods", "any")
    if methods.lower() != "any" and not any(_may_use_a_key(one, effective) for one in methods.split()):
        yield Obstacle(
            "authenticationmethods",
            f"no key logs in, pushed or not, by AuthenticationMethods {methods}: add a list with publickey in it",
        )
    accepted = effective.get("pubkeyacceptedalgorithms", effective.get("pubkeyacceptedkeytypes", "*"))
    if not any(_is_accepted(kind, accepted) for kind in types):
        yield Obstacle(
            "pubkeyacceptedalgorithms" if "pubkeyacceptedalgorithms" in effective else "pubkeyacceptedkeytypes",
            f"PubkeyAcceptedAlgorithms {accepted} has none of the types of [keys] types "
            f"({' '.join(sorted(types))}), so no pushed key logs in: add one",
        )


def _may_use_a_key(methods: str, effective: Mapping[str, str]) -> bool:
    names = [method.partition(":")[0] for method in methods.split(",")]
    return "publickey" in names and all(effective.get(_METHODS.get(name, ""), "yes") != "no" for name in names)


def _is_accepted(kind: str, accepted: str) -> bool:
    patterns = accepted.split(",")
    return any(fnmatch.fnmatchcase(name, pattern) for name in _ALGORITHMS.get(kind, (kind,)) for pattern in patterns)
