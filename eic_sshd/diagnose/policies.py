# SPDX-License-Identifier: Apache-2.0
"""[users] and [policy]: what in them allows more, or less, than their author may think."""

from __future__ import annotations

import grp
import time
from typing import AbstractSet, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from ..config.access import PolicySettings
from ..config.schema import Config
from ..decide.policy import Account
from ..host.timed_calls import TimedCalls
from ..model import caller_pattern
from ..model.os_users import OsUsers
from ..sshd import commands
from ..sshd.config_file import COMMAND
from ..sshd.drop_in import is_ours, passes_uid
from ..sshd.site import Site
from .finding import Finding, error, ok, unknown, warning

_GROUP_SECONDS = 2.0  # for the look-up of all groups, in directories too (nsswitch.conf(5))

Exists = Callable[[str], bool]
"""Whether a group exists. Raises TimeoutError."""


def problems(config: Config, exists: Optional[Exists] = None) -> Iterator[Finding]:
    """Policies that let nobody in, traps in patterns of callers, missing groups, and what these sections do not reach.

    `exists` looks up a group, by default on this machine.
    """
    for name, policy in config.policy.items():
        for setting, value in (("callers", policy.callers), ("os_users", policy.os_users)):
            if not value:
                subject = f'[policy "{name}"] {setting}'
                yield error("policy-empty", subject, "it is not set, so the policy allows nobody", "Set it")
        for pattern in policy.callers:
            for trap in caller_pattern.traps(pattern):
                yield warning("policy-trap", f'[policy "{name}"] callers', f"{pattern}: {trap[:1].lower()}{trap[1:]}")
    yield from _missing_groups(config, exists or _Existing())
    users = config.users
    sections = ["[users]"] * bool(users.deny or users.skip or users.allow) + ["[policy]"] * bool(config.policy)
    if sections:
        yield ok(
            "users-scope",
            " and ".join(sections),
            "not applied to keys in sshd's AuthorizedKeysFile; DenyUsers in sshd_config locks an account",
        )


def _missing_groups(config: Config, exists: Exists) -> Iterator[Finding]:
    """The groups that nobody can be in: a deny with one denies nobody."""
    try:
        for setting, users in _lists(config):
            missing = [f"@{group}" for group in users.groups if not exists(group)]
            if missing:
                problem = f"this machine has no such group: {' '.join(missing)}"
                yield warning("group-missing", setting, problem, "Correct the name, or create the group")
    except TimeoutError:
        problem = f"the groups could not be looked up within {_GROUP_SECONDS:g} s"
        yield unknown("groups-unknown", "[users] and [policy]", problem, "`getent group NAME` shows what is slow")


def _lists(config: Config) -> List[Tuple[str, OsUsers]]:
    """Each list of OS users, by its setting."""
    users = config.users
    listed = [("[users] deny", users.deny), ("[users] skip", users.skip), ("[users] allow", users.allow)]
    return listed + [(f'[policy "{name}"] os_users', policy.os_users) for name, policy in config.policy.items()]


class _Existing:
    """Looks up groups, each once, within a time for all: the C library's look-up has no limit of its own."""

    def __init__(self) -> None:
        self._calls = TimedCalls(1)
        self._until = time.monotonic() + _GROUP_SECONDS
        self._known: Dict[str, bool] = {}

    def __call__(self, group: str) -> bool:
        if group not in self._known:
            left = max(self._until - time.monotonic(), 0.01)
            self._known[group] = self._calls.call(lambda: _exists(group), left)
        return self._known[group]


def _exists(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True


def lets_anyone(policies: Mapping[str, PolicySettings], account: Account, groups: AbstractSet[str]) -> bool:
    """Whether rule 9 of a decision lets any caller log in to the account, which is in `groups`."""
    return any(_may_be_allowed(policy, account, groups) for policy in policies.values())


def _may_be_allowed(policy: PolicySettings, account: Account, groups: AbstractSet[str]) -> bool:
    if account.is_system:
        return policy.os_users.is_named(account.user) and any(not one.has_os_user for one in policy.callers)
    users = policy.os_users
    return bool(policy.callers) and (users.is_matched(account.user) or not groups.isdisjoint(users.groups))


def uid_warnings(site: Site, config: Config) -> Iterator[Finding]:
    """sshd does not pass the uid, which a [policy] needs for all but accounts that it names."""
    if not config.policy:
        return
    command, _ = commands.in_force(site)
    if is_ours(command) and not passes_uid(command):
        yield warning(
            "uid-not-passed",
            "AuthorizedKeysCommand",
            f"it does not pass the uid ({command}), so [policy] treats every user as root",
            "Run `eic-sshd enable`, or add --token U=%U to a line of your own",
        )
    for line in site.sshd_config().lines(COMMAND):
        if not line.is_unconditional and is_ours(line.value) and not passes_uid(line.value):
            yield warning(
                "uid-not-passed",
                line.place,
                f"for `Match {line.match}` it does not pass the uid ({line.value}), so [policy] treats every user "
                "there as root",
                "Write --token U=%U before %u in that line, and reload sshd",
            )
