# SPDX-License-Identifier: Apache-2.0
"""Settings of sshd by which no pushed key logs in although sshd runs eic-sshd.

Who may log in at all (AllowUsers, AllowGroups, PAM) is not examined: it differs from user to user.
"""

from __future__ import annotations

import fnmatch
from typing import Dict, FrozenSet, Iterator, Mapping, NamedTuple, Optional

from ..host.errors import MachineError
from ..sshd.config_file import Line, outside
from ..sshd.connections import ORDINARY, Connection, fulfilling
from ..sshd.site import Site
from .finding import Finding, unknown, warning
from .sshd_commands import is_plain_path, reload_command

# The signature algorithms of a key (ssh-keygen(1), -Q key-sig): all other types have one, of the same name.
_ALGORITHMS = {
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
    "sk-ecdsa-sha2-nistp256@openssh.com": (
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    ),
}
# The setting that must be `yes` for a method of AuthenticationMethods; sshd drops lists with a method that is off.
_METHODS = {
    "publickey": "pubkeyauthentication", "password": "passwordauthentication", "hostbased": "hostbasedauthentication",
    "keyboard-interactive": "kbdinteractiveauthentication", "gssapi-with-mic": "gssapiauthentication",
}  # fmt: skip

_MAX_CONNECTIONS = 40  # with more, one run of sshd for each would take too long


class Obstacle(NamedTuple):
    """A setting by which no pushed key logs in."""

    code: str
    keyword: str
    problem: str
    remedy: str


def warnings(site: Site, types: FrozenSet[str]) -> Iterator[Finding]:
    """The settings by which no pushed key of one of `types` logs in, for every connection or within a Match block.

    Raises MachineError.
    """
    always = _obstacles_for(site, ORDINARY, types)
    for obstacle in always.values():
        line = _line(site, obstacle, None)
        place = line.place if line else site.sshd.config
        yield warning(obstacle.code, place, obstacle.problem, _remedy(site, obstacle, line))
    yield from _within_blocks(site, types, always)


def _within_blocks(site: Site, types: FrozenSet[str], always: Mapping[str, Obstacle]) -> Iterator[Finding]:
    """What Match blocks add to what is `always` so. sshd is run once for each connection that one of them needs."""
    seen: Dict[Connection, Dict[str, Obstacle]] = {}
    left = 0
    for block in site.sshd_config().blocks():
        connection = fulfilling(block.match or "")
        if connection not in seen:
            if len(seen) == _MAX_CONNECTIONS:
                left += 1
                continue
            seen[connection] = _obstacles_for(site, connection, types)
        for keyword, obstacle in seen[connection].items():
            if obstacle != always.get(keyword):
                problem = f"for `Match {block.match}` {obstacle.problem}"
                line = _line(site, obstacle, block.match)
                yield warning(obstacle.code, line.place if line else site.sshd.config, problem, obstacle.remedy)
    if left:
        problem = f"it has so many Match blocks that {left} of them were not looked at"
        yield unknown(
            "match-blocks-left",
            site.sshd.config,
            problem,
            "`eic-sshd doctor --user USER --addr ADDRESS` looks at one login",
        )


def _obstacles_for(site: Site, connection: Connection, types: FrozenSet[str]) -> Dict[str, Obstacle]:
    try:
        effective = site.sshd.effective(connection)
    except MachineError:
        return {}  # `sshd -t` accepts the configuration, and `sshd -T` prints nothing for this connection
    return {obstacle.keyword: obstacle for obstacle in obstacles(effective, types)}


def _line(site: Site, obstacle: Obstacle, match: Optional[str]) -> Optional[Line]:
    """The line that sets it; None where a default does."""
    lines = site.sshd_config().lines(obstacle.keyword)
    within = [line for line in lines if match is not None and line.match == match]
    return next(iter(within), None) or outside(lines)


def _remedy(site: Site, obstacle: Obstacle, line: Optional[Line]) -> str:
    """A command where one word of one line is the cause."""
    if line is None or obstacle.keyword != "pubkeyauthentication" or not is_plain_path(line.file):
        return obstacle.remedy
    return f"Run `sed -i '{line.number}s/.*/PubkeyAuthentication yes/' {line.file} && {reload_command(site.root)}`"


def obstacles(effective: Mapping[str, str], types: FrozenSet[str]) -> Iterator[Obstacle]:
    """Why no pushed key of one of `types` logs in with the settings that are `effective` for a connection.

    `effective` maps each keyword, in lower case, to its value; one that is missing has its default.
    """
    if effective.get("pubkeyauthentication", "yes").lower() == "no":
        problem = "no key logs in, pushed or not (PubkeyAuthentication no)"
        yield Obstacle("public-keys-disabled", "pubkeyauthentication", problem, "Set PubkeyAuthentication yes")
        return
    if effective.get("refuseconnection", "no").lower() == "yes":
        problem = "no user logs in (RefuseConnection yes)"
        yield Obstacle("connections-refused", "refuseconnection", problem, "Set RefuseConnection no")
    methods = effective.get("authenticationmethods", "any")
    if methods.lower() != "any" and not any(_may_use_a_key(one, effective) for one in methods.split()):
        yield Obstacle(
            "methods-without-public-key",
            "authenticationmethods",
            f"no key logs in, pushed or not (AuthenticationMethods {methods})",
            "Add a list that contains publickey",
        )
    accepted = effective.get("pubkeyacceptedalgorithms", effective.get("pubkeyacceptedkeytypes", "*"))
    if not any(_is_accepted(kind, accepted) for kind in types):
        yield Obstacle(
            "key-types-not-accepted",
            "pubkeyacceptedalgorithms" if "pubkeyacceptedalgorithms" in effective else "pubkeyacceptedkeytypes",
            f"PubkeyAcceptedAlgorithms {accepted} has none of the types in [keys] types, so no pushed key logs in "
            f"({' '.join(sorted(types))})",
            "Add one of these",
        )


def partly_accepted(effective: Mapping[str, str], types: FrozenSet[str], subject: str) -> Iterator[Finding]:
    """A warning where sshd accepts some of `types`, and not the others."""
    accepted = effective.get("pubkeyacceptedalgorithms", effective.get("pubkeyacceptedkeytypes", "*"))
    lacking = sorted(kind for kind in types if not _is_accepted(kind, accepted))
    if lacking and len(lacking) < len(types):
        yield warning(
            "key-type-not-accepted",
            subject,
            f"PubkeyAcceptedAlgorithms lacks {' '.join(lacking)}, so a pushed key of that type does not log in",
            "Push a key of another type, add it there, or remove it from [keys] types",
        )


def _may_use_a_key(methods: str, effective: Mapping[str, str]) -> bool:
    names = [method.partition(":")[0] for method in methods.split(",")]
    return "publickey" in names and all(effective.get(_METHODS.get(name, ""), "yes") != "no" for name in names)


def _is_accepted(kind: str, accepted: str) -> bool:
    patterns = accepted.split(",")
    return any(fnmatch.fnmatchcase(name, pattern) for name in _ALGORITHMS.get(kind, (kind,)) for pattern in patterns)
