# SPDX-License-Identifier: Apache-2.0
"""The sections that say who may log in as whom: [users] and [policy]."""

from __future__ import annotations

from ..model import caller_pattern
from . import values
from .section import Section, Setting


class UsersSettings(Section, name="users"):
    """The OS users that eic-sshd answers for.

    deny is read first, then skip, then allow. Each lists names, names with the wildcards * (one character or more) and
    ? (one character), and groups, written @NAME; they are separated by blanks or written on indented lines. One with
    blanks is written between double quotes. * means every user, root too.

    These settings apply before IMDS is read. They do not apply to sshd's own AuthorizedKeysFile: to lock an account,
    use DenyUsers in sshd_config(5). If a group of deny or allow cannot be looked up, no key is granted at
    all; if one of skip cannot, the user counts as listed there. The daemon caches the groups of a user for 60 seconds.
    """

    deny = Setting(
        values.os_users,
        "",
        "The users who get no pushed key, no key of [fallback] and no key of the chained command.",
        several_lines=True,
    )
    skip = Setting(
        values.os_users,
        "",
        "The users who get no pushed key and no key of [fallback], and for whom IMDS is not read, such as service "
        "accounts. The chained command runs.",
        several_lines=True,
    )
    allow = Setting(
        values.os_users,
        "",
        "If it is set, all other users get no pushed key, no key of [fallback] and no key of the chained command.",
        several_lines=True,
    )


class PolicySettings(Section, name="policy", repeats=True):
    """Which callers may log in as which OS users.

    Without a policy, a caller that may push a key for a user may log in as that user: IAM decides. With one or more
    policies, a pushed key is granted only if at least one of them has both its signed caller and the OS user. Their
    order has no meaning.

    root and system accounts (a uid below UID_MIN of login.defs(5)) must be listed in os_users by name, in a policy
    whose caller is matched without ${os_user}: no wildcard, group or variable means them. If sshd does not pass the
    uid (`--token U=%U` in AuthorizedKeysCommand), every user counts as root.
    """

    callers = Setting(
        values.blank_separated(caller_pattern.parse),
        "",
        "The ARNs of callers, separated by blanks or on indented lines. * (one character or more) and ? (one "
        "character) may be in the partition, in the account and in the segments after the resource's type, and never "
        "match a `/`. ${os_user} means exactly the OS user. Case counts.",
        several_lines=True,
    )
    os_users = Setting(
        values.os_users,
        "",
        "The OS users, as in [users].",
        several_lines=True,
    )
