# SPDX-License-Identifier: Apache-2.0
"""Collects what `login.py` judges: the account, sshd's settings for it, and what PAM looks at."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import time
from typing import FrozenSet, List, Optional

from ..sshd.connections import Connection
from ..sshd.site import Site
from .login import Account, LoginFacts

_NOLOGIN = ("run/nologin", "etc/nologin")  # pam_nologin(8)
_LINES = ("allowusers", "denyusers", "allowgroups", "denygroups")
_DAY = 86400


def collect(site: Site, user: str, address: Optional[str], types: FrozenSet[str], root: str = "/") -> LoginFacts:
    """The facts of a login as `user` from `address`. Raises MachineError where sshd prints no settings for it."""
    where = {} if address is None else {"addr": address, "host": address}
    config = site.sshd_config()
    today = int(time.time() // _DAY)
    return LoginFacts(
        user=user,
        address=address,
        account=account(user, today, root),
        settings=site.sshd.settings(Connection(user=user, lport="22", **where)),
        types=types,
        today=today,
        nologin=next((path for path in (os.path.join(root, one) for one in _NOLOGIN) if os.path.exists(path)), ""),
        lines=[line for keyword in _LINES for line in config.lines(keyword)],
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
