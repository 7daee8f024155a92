# SPDX-License-Identifier: Apache-2.0
"""What another user would find, if eic-sshd ran as that user."""

from __future__ import annotations

import os
import pwd
from typing import Optional

from .. import config


def may_run_us(user: str) -> bool:
    """Whether `user` is one user, who is there and is not root."""
    try:
        return "%" not in user and pwd.getpwnam(user).pw_uid != 0
    except KeyError:
        return False


def config_problem(user: str, path: str) -> Optional[str]:
    """What keeps a process of `user` from reading our configuration at `path`; None if nothing does."""
    entry = pwd.getpwnam(user)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.initgroups(entry.pw_name, entry.pw_gid)  # as sshd does it
            os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
            os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
            config.load(path, missing_ok=True)
            os._exit(0)
        except BaseException as error:
            os.write(write, str(error).encode("utf-8", "backslashreplace")[:4096])
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    return (said or "it can't be read") if os.waitpid(child, 0)[1] else None
