# SPDX-License-Identifier: Apache-2.0
"""Reading files that decide who may log in: only whole, of bounded size, and writable by nobody else."""

from __future__ import annotations

import os
import stat
from typing import Collection


class Unsafe(Exception):
    """The file is there, but somebody who should not could have written it, or it is no plain file."""


def read(path: str, limit: int, owners: Collection[int]) -> bytes:
    """The bytes of the file at `path`.

    Like sshd's StrictModes (sshd_config(5)): the file must belong to one of `owners` (uids) and, like the folder it
    lies in, be writable by its owner only; a folder with the sticky bit will do.

    Raises:
        Unsafe: if it is not so, or the file is longer than `limit` bytes.
        OSError: if it cannot be read.
    """
    _check_folder(os.path.dirname(path) or ".")
    # O_NONBLOCK: a fifo put in the file's place must not hang the login.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unsafe(f"{path} is not a regular file")
        if status.st_uid not in owners:
            raise Unsafe(f"{path} belongs to uid {status.st_uid}: chown root {path}")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise Unsafe(f"{path} is writable by others: chmod go-w {path}")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Unsafe(f"{path} is longer than {limit} bytes")
    return content


def _check_folder(folder: str) -> None:
    mode = os.stat(folder).st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        raise Unsafe(f"the folder {folder} is writable by others: chmod go-w {folder}")
