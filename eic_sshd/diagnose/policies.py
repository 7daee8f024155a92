# SPDX-License-Identifier: Apache-2.0
"""[users] and [policy]: what in them allows more, or less, than their author may think."""

from __future__ import annotations

from typing import Iterator

from ..config.schema import Config
from ..model import caller_pattern
from ..sshd import commands
from ..sshd.drop_in import is_ours, passes_uid
from ..sshd.site import Site
from .finding import Finding, error, ok, warning


def problems(config: Config) -> Iterator[Finding]:
    """Policies that let nobody in, traps in patterns of callers, and what [users] does not reach."""
    for name, policy in config.policy.items():
        for setting, value in (("callers", policy.callers), ("os_users", policy.os_users)):
            if not value:
                subject = f'[policy "{name}"] {setting}'
                yield error("policy-empty", subject, "it is not set, so the policy allows nobody", "Set it")
        for pattern in policy.callers:
            for trap in caller_pattern.traps(pattern):
                yield warning("policy-trap", f'[policy "{name}"] callers', f"{pattern}: {trap[:1].lower()}{trap[1:]}")
    if config.users.deny or config.users.allow:
        yield ok(
            "users-scope",
            "[users]",
            "it does not apply to keys in sshd's AuthorizedKeysFile; DenyUsers in sshd_config locks an account",
        )


def uid_warnings(site: Site, config: Config) -> Iterator[Finding]:
    """sshd does not pass the uid, which a [policy] needs for all but accounts that it names."""
    command, _ = commands.in_force(site)
    if config.policy and is_ours(command) and not passes_uid(command):
        yield warning(
            "uid-not-passed",
            "AuthorizedKeysCommand",
            f"it does not pass the uid ({command}), so [policy] treats every user as root",
            "Run `eic-sshd enable`, or add --token U=%U to a line of your own",
        )
