# SPDX-License-Identifier: Apache-2.0
"""Who may log in as whom: rule 0, by [users], and rule 9, by [policy]. No I/O: uid and groups are passed in.

Both raise NotGranted where the answer depends on groups that could not be looked up.
"""

from __future__ import annotations

from typing import List, Mapping, Optional, Tuple

from ..config.access import PolicySettings, UsersSettings
from ..model import caller_pattern
from ..model.caller_pattern import Caller, CallerPattern
from ..model.os_users import GroupsOf, OsUsers
from ..model.reasons import NotGranted, Reason
from ..model.value import Value


class Account(Value):
    """The account to log in to. `uid` is None where sshd did not pass it: then the account counts as root's.

    `uid_min` is the least uid of an ordinary user (login.defs(5), UID_MIN).
    """

    user: str
    uid: Optional[int]
    uid_min: int

    @property
    def is_system(self) -> bool:
        """Whether it is root's or a system account."""
        return self.uid is None or self.uid == 0 or self.uid < self.uid_min


def require_user(user: str, users: UsersSettings, groups_of: GroupsOf) -> None:
    """Rule 0: eic-sshd answers for `user`.

    Raises NotGranted: user-forbidden, user-skipped, user-groups-unknown or skip-groups-unknown.
    """
    unknown: Optional[NotGranted] = None
    if _is_in(users.deny, user, groups_of, Reason.USER_GROUPS_UNKNOWN):
        raise NotGranted(Reason.USER_FORBIDDEN, f"[users] deny has {user}")
    try:
        is_skipped = _is_in(users.skip, user, groups_of, Reason.SKIP_GROUPS_UNKNOWN)
    except NotGranted as refusal:
        is_skipped, unknown = False, refusal  # allow may stop more than skip would
    if is_skipped:
        raise NotGranted(Reason.USER_SKIPPED, f"[users] skip has {user}")
    if users.allow and not _is_in(users.allow, user, groups_of, Reason.USER_GROUPS_UNKNOWN):
        raise NotGranted(Reason.USER_FORBIDDEN, f"[users] allow does not have {user}")
    if unknown is not None:
        raise unknown


def first_refusal(user: str, users: UsersSettings, groups_of: GroupsOf, refusal: NotGranted) -> NotGranted:
    """Why nothing is granted where no rule but rule 0 is checked: that rule's refusal, or else `refusal`."""
    try:
        require_user(user, users, groups_of)
    except NotGranted as denied:
        return denied
    return refusal


def policies_of(
    caller: Optional[str], account: Account, policies: Mapping[str, PolicySettings], groups_of: GroupsOf
) -> Tuple[str, ...]:
    """Rule 9: the names of the policies that let `caller` log in to the account; none are needed if there are none.

    Raises NotGranted: caller-missing, caller-malformed, caller-forbidden or groups-unknown.
    """
    if not policies:
        return ()
    if caller is None:
        raise NotGranted(Reason.CALLER_MISSING, "the block names no Caller, which [policy] needs")
    try:
        parsed = caller_pattern.parse_caller(caller)
    except caller_pattern.MalformedCaller as problem:
        raise NotGranted(Reason.CALLER_MALFORMED, str(problem)) from None
    allowing = []
    unknown: Optional[NotGranted] = None
    for name, policy in policies.items():
        try:
            if _allows(policy, parsed, account, groups_of):
                allowing.append(name)
        except NotGranted as problem:
            unknown = problem
    if allowing:
        return tuple(allowing)
    if unknown is not None:
        raise unknown
    raise NotGranted(Reason.CALLER_FORBIDDEN, _forbidden(caller, account))


def _allows(policy: PolicySettings, caller: Caller, account: Account, groups_of: GroupsOf) -> bool:
    patterns: List[CallerPattern] = [one for one in policy.callers if one.matches(caller, account.user)]
    if not patterns:
        return False
    if account.is_system:  # only an account that is named, to a caller who is: nothing means root by accident
        return policy.os_users.is_named(account.user) and not all(one.has_os_user for one in patterns)
    return _is_in(policy.os_users, account.user, groups_of, Reason.GROUPS_UNKNOWN)


def _is_in(users: OsUsers, user: str, groups_of: GroupsOf, if_unknown: Reason) -> bool:
    if users.is_matched(user):
        return True
    if not users.groups:
        return False
    found = groups_of(user, users.groups)
    if found.member:
        return True
    if found.unknown:
        names = " ".join(f"@{name}" for name in sorted(found.unknown))
        raise NotGranted(if_unknown, f"whether {user} is in {names} could not be looked up")
    return False


def _forbidden(caller: str, account: Account) -> str:
    kind = ""
    if account.uid is None:
        kind = ", who counts as root since sshd does not pass the uid (`--token U=%U`)"
    elif account.is_system:
        kind = f", a system account (uid {account.uid})"
    return f"no [policy] lets {caller[:300]} log in as {account.user}{kind}"
