# SPDX-License-Identifier: Apache-2.0
"""Whether the user that sshd runs eic-sshd as can use it: the program, its configuration, and the daemon's socket.

The socket is for that user and for nobody else."""

from __future__ import annotations

import os
import pwd
import stat
from typing import Iterator, Optional

from ..config import loader
from ..host import trusted_files
from ..host.accounts import may_run_us, problem_as
from ..host.errors import MachineError
from ..sshd.config_file import COMMAND_USER, outside
from ..sshd.drop_in import USER
from ..sshd.site import Site

_PYTHON = "/usr/bin/python3"
_RESTART = "systemctl restart eic-sshd.socket"
_SLOWER = "so each login is slower"


def require_installed(site: Site) -> None:
    """What sshd is to run, and the user that it is to run it as, must be there before it is told of them."""
    if not os.path.exists(site.front_door):
        raise MachineError(f"there is no {site.front_door}: install the package, or run `make install`")
    try:
        pwd.getpwnam(USER)
    except KeyError:
        raise MachineError(f"there is no user {USER}: run `systemd-sysusers`") from None
    if not may_run_us(USER):
        raise MachineError(f"the user {USER} must not be root: take it away, then run `systemd-sysusers`")
    require_runnable(site, USER)


def require_runnable(site: Site, user: str) -> None:
    """sshd must be able to run us as `user`. Raises MachineError."""
    problem = front_door_problem(user, site.front_door)
    if problem is not None:
        raise MachineError(problem)


def require_runnable_by_hand(site: Site) -> None:
    """Raises MachineError where the line of by_hand() has us run as a user whom we may not run as."""
    user = outside(site.sshd_config().lines(COMMAND_USER))
    if user is None:
        return  # sshd does not take it
    if not may_run_us(user.word):
        raise MachineError(
            f"{user.place}: sshd runs eic-sshd as AuthorizedKeysCommandUser {user.word}, which must be a single "
            f"existing user other than root. Change that line to `AuthorizedKeysCommandUser {USER}` and reload sshd"
        )
    require_runnable(site, user.word)


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
    problem = problem_as(user, check)
    return None if problem is None else f"sshd cannot run {path} as {user}: {problem}"


def socket_problem(user: str, path: str) -> Optional[str]:
    """What keeps a process of `user` from using the socket at `path`; None if nothing does."""

    def check() -> None:
        folders = path.split("/")[1:-1]
        for depth in range(len(folders) + 1):
            folder = "/" + "/".join(folders[:depth])
            if not os.access(folder, os.X_OK):
                raise PermissionError(
                    f"{user} may not enter {folder} ({_shown(os.stat(folder))}). Run: chmod 0755 {folder}"
                )
        if not os.access(path, os.W_OK):  # unix(7)
            raise PermissionError(f"{user} may not use it ({_shown(os.stat(path))}). Run: {_RESTART}")

    return problem_as(user, check)


def _shown(status: os.stat_result) -> str:
    return f"owner uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}"


def config_problem(user: str, path: str) -> Optional[str]:
    """What keeps a process of `user` from reading our configuration at `path`; None if nothing does."""
    return problem_as(user, lambda: loader.load(path, missing_ok=True))


def problems(user: str, socket: str, listens: bool) -> Iterator[str]:
    """What is wrong with the `socket` and its folder for `user`, a sentence each; `listens` says whether systemd
    listens there, as far as it knows."""
    folder = os.path.dirname(socket)
    if not os.path.lexists(socket):
        if listens:
            yield f"{socket} is gone, {_SLOWER}. Run: systemctl restart eic-sshd.socket"
        return
    if not stat.S_ISSOCK(os.lstat(socket).st_mode):
        yield f"{socket} is no socket, {_SLOWER}. Run: rm {socket} && systemctl restart eic-sshd.socket"
        return
    status = os.stat(folder)
    # Whom the folder belongs to is believed to be the authorizer (authorized_keys.py, converse).
    if status.st_uid not in (0, pwd.getpwnam(USER).pw_uid):
        yield (
            f"{folder}: owned by uid {status.st_uid}, who could answer in the authorizer's place. "
            f"Run: chown root:root {folder}"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{folder}: others may write to it ({_shown(status)}). Run: chmod go-w {folder}"
    problem = socket_problem(user, socket)
    if problem is not None:
        yield f"{socket}: {problem}; until then each login is slower"
    elif user != USER and os.stat(socket).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        # Its owner is told apart by that (service.py, who_may_ask).
        yield (
            f"{socket}: others may use it ({_shown(os.stat(socket))}), so {user} is not answered, {_SLOWER}. "
            "Run: systemctl restart eic-sshd.socket"
        )
