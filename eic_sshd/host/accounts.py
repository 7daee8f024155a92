# SPDX-License-Identifier: Apache-2.0
"""The machine's user accounts, and what one of them may do."""

from __future__ import annotations

import contextlib
import os
import pwd
from typing import Callable, Optional


def may_run_us(user: str) -> bool:
    """Whether `user` is one user, who is there and is not root."""
    try:
        return "%" not in user and pwd.getpwnam(user).pw_uid != 0
    except KeyError:
        return False


def problem_as(user: str, check: Callable[[], object]) -> Optional[str]:
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
