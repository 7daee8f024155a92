# SPDX-License-Identifier: Apache-2.0
"""Reading files that decide who may log in: only whole, of bounded size, and with nobody else able to change them."""

from __future__ import annotations

import os
import stat
from typing import Collection, Iterator

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Unsafe(Exception):
    """The file is there, but somebody who should not could have put it there, or it is no plain file."""


def read(path: str, limit: int, owners: Collection[int]) -> bytes:
    """The bytes of the file at the absolute `path`.

    Much as sshd does under StrictModes (sshd_config(5)): the file must belong to one of `owners` (uids), every folder
    above it to one of them or root, and none may be writable by others. A folder with the sticky bit will do, since
    nobody can take another's file away there. Both the path as given and where its links lead are held to this.

    Raises:
        Unsafe: if it is not so, or the file is longer than `limit` bytes.
        OSError: if it cannot be read.
    """
    real = _resolved(path, owners, sticky=stat.S_ISVTX)
    # O_NONBLOCK: a fifo put in the file's place must not hang the login.
    descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check_file(path, status, owners)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Unsafe(f"{path} is longer than {limit} bytes")
    return content


def require_safe(path: str, owners: Collection[int] = (0,)) -> None:
    """Hold the program at the absolute `path` to what `read` holds a file to, and to what sshd holds it to: a folder
    that others may write to will not do, be it sticky. Raises as `read` does."""
    _check_file(path, os.stat(_resolved(path, owners, sticky=0)), owners)


def _resolved(path: str, owners: Collection[int], sticky: int) -> str:
    """Where `path` leads, once all the folders above it, both as given and there, are found to be in order."""
    real = os.path.realpath(path)
    for folder in dict.fromkeys([*_folders(path), *_folders(real)]):
        _check_folder(folder, {0, *owners}, sticky)
    return real


def _check_file(path: str, status: os.stat_result, owners: Collection[int]) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Unsafe(f"{path} is not a regular file")
    if status.st_uid not in owners:
        raise Unsafe(f"{path} belongs to uid {status.st_uid}: chown root {path}")
    if status.st_mode & _OTHERS_WRITE:
        raise Unsafe(f"{path} is writable by others: chmod go-w {path}")


def _folders(path: str) -> Iterator[str]:
    folder = os.path.dirname(os.path.abspath(path))
    while folder != "/":
        yield folder
        folder = os.path.dirname(folder)
    yield "/"


def _check_folder(folder: str, owners: Collection[int], sticky: int) -> None:
    status = os.stat(folder)
    if status.st_uid not in owners:
        raise Unsafe(f"the folder {folder} belongs to uid {status.st_uid}: chown root {folder}")
    if status.st_mode & _OTHERS_WRITE and not status.st_mode & sticky:
        raise Unsafe(f"the folder {folder} is writable by others: chmod go-w {folder}")
