# SPDX-License-Identifier: Apache-2.0
"""The machine's user accounts, and what one of them can do."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from typing import Callable, Iterator, Optional

_UID_MIN = 1000
_LOGIN_DEFS_LIMIT = 256 * 1024


def is_single_ordinary_user(name: str) -> bool:
    """Whether `name`, an AuthorizedKeysCommandUser, is one existing user other than root. One with a % token is not."""
    try:
        return "%" not in name and pwd.getpwnam(name).pw_uid != 0
    except KeyError:
        return False


def uid_min(path: str = "/etc/login.defs") -> int:
    """The least uid of an ordinary user: UID_MIN of login.defs(5), by default 1000."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_LOGIN_DEFS_LIMIT)
    except OSError:
        return _UID_MIN
    found = re.findall(r"(?m)^[ \t]*UID_MIN[ \t]+([0-9]{1,9})[ \t]*(?:#.*)?$", text)
    return int(found[-1]) if found else _UID_MIN


def uid_of(name: str) -> Optional[int]:
    """The uid of the user with this name; None if there is none."""
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):  # a name with a NUL
        return None


def name_of(uid: int) -> str:
    """The name of the user with this uid; the number itself where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@contextlib.contextmanager
def acting_as(user: str) -> Iterator[None]:
    """A context in which this process of root has the rights of `user`; those of root where there is no such user.

    All threads have them. Where the kernel refuses (a user namespace without other users), root's rights stay.
    """
    groups, gid = os.getgroups(), os.getegid()
    try:
        with contextlib.suppress(KeyError, OSError):
            entry = pwd.getpwnam(user)
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setegid(entry.pw_gid)
            os.seteuid(entry.pw_uid)
        yield
    finally:
        if os.geteuid() != 0:
            os.seteuid(0)
        if os.getegid() != gid or os.getgroups() != groups:
            os.setegid(gid)
            os.setgroups(groups)


def error_as(user: str, check: Callable[[], object]) -> Optional[str]:
    """The text of the exception that `check` raises in a process of `user`; None if it raises none.

    In a user namespace that maps no other user than root it runs as root.
    """
    entry = pwd.getpwnam(user)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with contextlib.suppress(PermissionError):  # such a namespace: user_namespaces(7)
                os.initgroups(entry.pw_name, entry.pw_gid)  # as sshd does it
                os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
                os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
            check()
            os._exit(0)
        except BaseException as error:
            os.write(write, str(error).encode("utf-8", "backslashreplace")[:4096])
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    return (text or "no reason given") if os.waitpid(child, 0)[1] else None
