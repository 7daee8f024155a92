# SPDX-License-Identifier: Apache-2.0
"""What another user would find, if eic-sshd ran as that user."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from typing import Callable, Optional

from ..config import loader
from ..host import trusted_files

_PYTHON = "/usr/bin/python3"
_RESTART = "systemctl restart eic-sshd.socket"


def may_run_us(user: str) -> bool:
    """Whether `user` is one user, who is there and is not root."""
    try:
        return "%" not in user and pwd.getpwnam(user).pw_uid != 0
    except KeyError:
        return False


def front_door_problem(user: str, path: str) -> Optional[str]:
    """What is to be said where sshd can't, or should not, run our program at `path` as `user`; None if it may.

    An sshd may take what we don't: Debian's takes a path that a group may write to which only root is in.
    """

    def check() -> None:
        for program in (path, _PYTHON):
            if not os.access(program, os.R_OK | os.X_OK):
                raise PermissionError(f"{program} may not be run")

    try:
        trusted_files.require_safe(path)
    except trusted_files.Unsafe as unsafe:
        return f"{path} is not safe to run, whether or not this sshd accepts it: {unsafe}"
    except OSError as error:
        return f"sshd cannot run {path}: {error.strerror}"
    problem = _problem(user, check)
    return None if problem is None else f"sshd cannot run {path} as {user}: {problem}"


def socket_problem(user: str, path: str) -> Optional[str]:
    """What keeps a process of `user` from using the socket at `path`; None if nothing does."""

    def check() -> None:
        folders = path.split("/")[1:-1]
        for depth in range(len(folders) + 1):
            folder = "/" + "/".join(folders[:depth])
            if not os.access(folder, os.X_OK):
                raise PermissionError(
                    f"{user} may not enter {folder} ({shown(os.stat(folder))}). Run: chmod 0755 {folder}"
                )
        if not os.access(path, os.W_OK):  # unix(7)
            raise PermissionError(f"{user} may not use it ({shown(os.stat(path))}). Run: {_RESTART}")

    return _problem(user, check)


def shown(status: os.stat_result) -> str:
    return f"owner uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}"


def config_problem(user: str, path: str) -> Optional[str]:
    """What keeps a process of `user` from reading our configuration at `path`; None if nothing does."""
    return _problem(user, lambda: loader.load(path, missing_ok=True))


def _problem(user: str, check: Callable[[], object]) -> Optional[str]:
    """What `check` raises in a process of `user`; of root, where no such process can be had."""
    entry = pwd.getpwnam(user)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with contextlib.suppress(PermissionError):  # a namespace where root is nobody else
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
        said = pipe.read().decode(errors="replace")
    return (said or "it can't be done") if os.waitpid(child, 0)[1] else None
