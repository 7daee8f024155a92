# SPDX-License-Identifier: Apache-2.0
"""Who may use the authorizer's socket: the user that sshd runs eic-sshd as, and nobody else."""

from __future__ import annotations

import os
import pwd
import re
import stat
from typing import Iterator

from .as_user import shown, socket_problem
from .drop_in import USER

_SLOWER = "so each login is slower"


def settings(user: str, uid: int) -> str:
    """The lines of a drop-in for the socket's unit that give it to `user`, who has the number `uid`.

    systemd says at each reload that a name is unusual, or that `nobody` is not safe, but not of a number
    (load-fragment.c, config_parse_user_group_compat; user-util.c, valid_user_group_name).
    """
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_-]{0,30}", user) and user != "nobody":
        return f"[Socket]\nSocketUser={user}\n"
    return f"[Socket]\n# {user!a}\nSocketUser={uid}\n"


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
        yield f"{folder}: others may write to it ({shown(status)}). Run: chmod go-w {folder}"
    problem = socket_problem(user, socket)
    if problem is not None:
        yield f"{socket}: {problem}; until then each login is slower"
    elif user != USER and os.stat(socket).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        # Its owner is told apart by that (service.py, who_may_ask).
        yield (
            f"{socket}: others may use it ({shown(os.stat(socket))}), so {user} is not answered, {_SLOWER}. "
            "Run: systemctl restart eic-sshd.socket"
        )
