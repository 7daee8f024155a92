# SPDX-License-Identifier: Apache-2.0
"""The facts of one login that `login.py` judges: the account, sshd's settings for it, and what PAM looks at."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import time
from types import MappingProxyType
from typing import FrozenSet, List, Mapping, NamedTuple, Optional, Sequence

from ..config.access import PolicySettings, UsersSettings
from ..config.schema import Config
from ..decide.checks import USER_NAME
from ..host import accounts
from ..sshd import commands
from ..sshd.config_file import Line
from ..sshd.connections import Connection
from ..sshd.program import Settings
from ..sshd.site import Site
from .sshd_commands import reload_command

_NOLOGIN = ("run/nologin", "etc/nologin")  # pam_nologin(8)
_LINES = ("allowusers", "denyusers", "allowgroups", "denygroups")
_DAY = 86400


class Account(NamedTuple):
    """The user's account.

    `groups` are the names of all of its groups. `shell_problem` is why sshd would refuse the login shell, empty if it
    would not. `expires` is the day on which the account expires, in days since the epoch; None if it has no end.
    `must_change` says that the password has to be changed at the next login, `is_inactive` that it is too late for
    that, `is_locked` that the account is locked.
    """

    name: str
    uid: int
    login_shell: str
    groups: FrozenSet[str]
    shell_problem: str = ""
    expires: Optional[int] = None
    must_change: bool = False
    is_inactive: bool = False
    is_locked: bool = False


class LoginFacts(NamedTuple):
    """One login: `settings` are those of `sshd -T` for it, `lines` those of the files that set who may log in.

    `account` is None if there is no such user. `address` is the client's, None if it is not known. `today` is in days
    since the epoch. `users` are those of [users], `policies` those of [policy] by name; `uid_min` is the least uid of
    an ordinary user. `nologin` is the file that denies all logins, empty if there is none. `reload` reloads sshd.
    `usual_command` is the AuthorizedKeysCommand outside of Match blocks.
    """

    user: str
    address: Optional[str]
    account: Optional[Account]
    settings: Settings
    types: FrozenSet[str]
    today: int
    nologin: str = ""
    lines: Sequence[Line] = ()
    users: UsersSettings = UsersSettings.of({})
    policies: Mapping[str, PolicySettings] = MappingProxyType({})
    uid_min: int = 1000
    usual_command: str = "none"
    reload: str = "systemctl reload ssh.service"


def collect(site: Site, user: str, address: Optional[str], config: Config, root: str = "/") -> LoginFacts:
    """The facts of a login as `user` from `address`. Raises MachineError where sshd prints no settings for it."""
    where = {} if address is None else {"addr": address, "host": address}
    files = site.sshd_config()
    today = int(time.time() // _DAY)
    return LoginFacts(
        user=user,
        address=address,
        account=account(user, today, root),
        # In another name sshd could take a part for another attribute of the connection.
        settings=site.sshd.settings(Connection(user=user, lport="22", **where)) if USER_NAME.fullmatch(user) else [],
        types=config.keys.types,
        users=config.users,
        policies=config.policy,
        uid_min=accounts.uid_min(),
        usual_command=commands.in_force(site)[0],
        reload=reload_command(site.root),
        today=today,
        nologin=next((path for path in (os.path.join(root, one) for one in _NOLOGIN) if os.path.exists(path)), ""),
        lines=[line for keyword in _LINES for line in files.lines(keyword)],
    )


def account(user: str, today: int, root: str = "/") -> Optional[Account]:
    """The user's account; None if there is none. Without root, shadow's fields have their defaults."""
    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError):  # a name with a null character
        return None
    shell = entry.pw_shell or "/bin/sh"
    fields = _shadow(user, root)
    expires = fields[7] if len(fields) > 7 else ""
    return Account(
        name=entry.pw_name,
        uid=entry.pw_uid,
        login_shell=shell,
        groups=_groups(user, entry.pw_gid),
        shell_problem=_shell_problem(shell),
        expires=int(expires) if expires.isdigit() else None,
        must_change=_must_change(fields, today),
        is_inactive=_is_inactive(fields, today),
        is_locked=len(fields) > 1 and fields[1].startswith("!"),
    )


def _groups(user: str, gid: int) -> FrozenSet[str]:
    names = set()
    for number in os.getgrouplist(user, gid):
        with contextlib.suppress(KeyError):
            names.add(grp.getgrgid(number).gr_name)
    return frozenset(names)


def _shell_problem(shell: str) -> str:
    """Why sshd refuses it (auth.c, allowed_user): it tests the mode only."""
    try:
        status = os.stat(shell)
    except OSError:
        return "it does not exist"
    return "" if os.path.isfile(shell) and status.st_mode & 0o111 else "it is not executable"


def _shadow(user: str, root: str) -> List[str]:
    """The fields of shadow(5), the password without what is secret in it."""
    try:
        with open(os.path.join(root, "etc/shadow"), encoding="utf-8", errors="replace") as file:
            rows = [line.rstrip("\n").split(":") for line in file]
    except OSError:
        return []
    for row in rows:
        if row[0] == user and len(row) > 1:
            return [row[0], row[1][:1], *row[2:]]
    return []


def _must_change(fields: List[str], today: int) -> bool:
    """shadow(5): a last change of 0, or one longer ago than the maximum; pam_unix(8) tests it for keys too."""
    if len(fields) < 5 or not fields[2].isdigit():
        return False
    last, most = int(fields[2]), fields[4]
    return last == 0 or (most.isdigit() and last + int(most) < today)


def _is_inactive(fields: List[str], today: int) -> bool:
    """shadow(5): an expired password that was not changed within the period of inactivity; not one that has to be new.

    pam_unix tests it for keys too (passverify.c, check_shadow_expiry; `unix_chkpwd USER chkexpiry` ends with 27).
    """
    if len(fields) < 7 or not all(fields[number].isdigit() for number in (2, 4, 6)):
        return False
    last, most, inactive = (int(fields[number]) for number in (2, 4, 6))
    return last != 0 and last + most + inactive < today
