# SPDX-License-Identifier: Apache-2.0
"""Whether the user that sshd runs eic-sshd as can use the program, its configuration and the daemon's socket.

No other user may use the socket.
"""

from __future__ import annotations

import os
import stat
from typing import Iterator, List

from ..config import loader
from ..host import packages, trusted_files
from ..host.accounts import error_as, is_single_ordinary_user, uid_of
from ..paths import ACCOUNT, SOCKET_UNIT
from ..sshd.config_file import COMMAND_USER, outside
from ..sshd.site import Site
from .finding import Finding, error

_PYTHON = "/usr/bin/python3"
_RESTART = f"Run `systemctl restart {SOCKET_UNIT}`"
_SLOWER = "so each login is slower"
NOT_A_SINGLE_USER = "which is not a single existing user other than root"


def missing_parts(site: Site) -> Iterator[Finding]:
    """What is not installed of the program, its account, and what they need."""
    if not os.path.exists(site.client_command):
        yield error(
            "program-missing", site.client_command, "it does not exist", f"Run `{packages.reinstall('eic-sshd')}`"
        )
        return
    uid = uid_of(ACCOUNT)
    if uid is None:
        yield account_missing(ACCOUNT)
        return
    if uid == 0:
        yield error("account-is-root", f"user {ACCOUNT}", "its uid is 0", "Remove it, then run `systemd-sysusers`")
        return
    yield from program_problems(site, ACCOUNT)


def account_missing(user: str) -> Finding:
    """The finding where the user that sshd runs eic-sshd as, or would, does not exist."""
    return error("account-missing", f"user {user}", "it does not exist", "Run `systemd-sysusers`")


def problems_of_line_by_hand(site: Site) -> Iterator[Finding]:
    """Why sshd cannot run eic-sshd by lines of the site's own, outside of our drop-ins."""
    user = outside(site.sshd_config().lines(COMMAND_USER))
    if user is None:
        return  # sshd rejects that
    if not is_single_ordinary_user(user.word):
        yield error(
            "command-user-unusable",
            user.place,
            f"sshd runs eic-sshd as AuthorizedKeysCommandUser {user.word}, {NOT_A_SINGLE_USER}",
            f"Change that line to `AuthorizedKeysCommandUser {ACCOUNT}` and reload sshd",
        )
        return
    yield from program_problems(site, user.word)


def program_problems(site: Site, user: str) -> Iterator[Finding]:
    """Why sshd cannot, or should not, run our program as `user`.

    Some sshds accept what we do not: Debian's accepts a path that a group may write to whose only member is root.
    """
    path = site.client_command

    def check() -> None:
        for program in (path, _PYTHON):
            if not os.access(program, os.R_OK | os.X_OK):
                raise PermissionError(f"{program} is not readable and executable for {user}")

    try:
        trusted_files.require_safe(path)
    except trusted_files.UntrustedFile as untrusted:
        yield error(
            "program-unsafe",
            path,
            f"it is not safe to run, whether or not this sshd accepts it ({untrusted.path}: {untrusted.problem})",
            untrusted.remedy,
        )
        return
    except OSError as failure:
        yield error("program-unusable", path, f"sshd cannot run it ({failure.strerror})")
        return
    denied = error_as(user, check)
    if denied is not None:
        yield error(
            "program-unusable",
            path,
            f"sshd cannot run it as {user} ({denied})",
            _permit(path, _PYTHON),
        )


def _permit(*programs: str) -> str:
    """How to make `programs` usable for every user: the first file or folder on the way to one that is not."""
    for program in programs:
        real = os.path.realpath(program)
        for path, needed in [*((folder, 0o001) for folder in _folders_above(real)), (real, 0o005)]:
            try:
                mode = os.stat(path or "/").st_mode
            except OSError:
                continue  # the exception names what is missing
            if mode & needed != needed:
                return f"Run `chmod 0755 {path or '/'}`"
    return "Make that file and its folders readable and executable for every user"


def config_problems(site: Site, user: str) -> Iterator[Finding]:
    """Why eic-sshd, run as `user`, cannot read its configuration."""
    problem = error_as(user, lambda: loader.load(site.our_config, missing_ok=True))
    if problem is not None:
        yield error(
            "config-unusable",
            site.our_config,
            f"the configuration is invalid for {user}, the user that sshd runs eic-sshd as ({problem})",
            "Correct it. Until then no pushed key is granted",
        )


def socket_problems(user: str, socket: str, is_listening: bool) -> Iterator[Finding]:
    """What is wrong with the daemon's `socket` and its folder for `user`.

    `is_listening` says whether systemd listens there, as far as it knows.
    """
    folder = os.path.dirname(socket)
    if not os.path.lexists(socket):
        if is_listening:
            yield error("socket-missing", socket, f"it does not exist, {_SLOWER}", _RESTART)
        return
    if not stat.S_ISSOCK(os.lstat(socket).st_mode):
        remedy = f"Run `rm {socket} && systemctl restart {SOCKET_UNIT}`"
        yield error("socket-is-a-file", socket, f"it is not a socket, {_SLOWER}", remedy)
        return
    status = os.stat(folder)
    # A client accepts answers from the owner of the folder (client.py).
    if status.st_uid not in (0, uid_of(ACCOUNT)):
        yield error(
            "socket-folder-owner",
            folder,
            f"its owner could answer in place of the daemon (uid {status.st_uid})",
            f"Run `chown root:root {folder}`",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        problem = f"other users may write to it ({_owner_and_mode(folder)})"
        yield error("socket-folder-writable", folder, problem, f"Run `chmod go-w {folder}`")
    denied = list(_denials(user, socket))
    yield from denied
    if not denied and user != ACCOUNT and os.stat(socket).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        # The daemon recognizes the user of a chained command by this (daemon/).
        yield error(
            "socket-shared",
            socket,
            f"other users may use it, so the daemon does not answer {user}, {_SLOWER} ({_owner_and_mode(socket)})",
            _RESTART,
        )


def _denials(user: str, socket: str) -> Iterator[Finding]:
    folders = _folders_above(socket)

    def check() -> None:
        for folder in folders:
            if not os.access(folder, os.X_OK):
                raise PermissionError(folder)
        if not os.access(socket, os.W_OK):  # unix(7)
            raise PermissionError(socket)

    denied = error_as(user, check)
    if denied in folders:
        yield error(
            "socket-folder-denied",
            socket,
            f"{user} may not enter {denied}, {_SLOWER} ({_owner_and_mode(denied)})",
            f"Run `chmod 0755 {denied}`",
        )
    elif denied == socket:
        yield error("socket-denied", socket, f"{user} may not use it, {_SLOWER} ({_owner_and_mode(socket)})", _RESTART)
    elif denied is not None:
        yield error("socket-denied", socket, f"{user} cannot use it, {_SLOWER} ({denied})", _RESTART)


def _folders_above(path: str) -> List[str]:
    names = path.split("/")[1:-1]
    return ["/" + "/".join(names[:depth]) for depth in range(len(names) + 1)]


def _owner_and_mode(path: str) -> str:
    status = os.stat(path)
    return f"owner uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}"
