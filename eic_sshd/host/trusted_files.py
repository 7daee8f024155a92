# SPDX-License-Identifier: Apache-2.0
"""Reading files that decide who may log in: whole, of bounded size, and under the control of their owners alone.

Each step on the way to a file is held to what sshd holds a path to (sshd_config(5), StrictModes; misc.c, safe_path),
symbolic links included: each folder, each link and each folder on the way to where a link leads must belong to root or
to one of the owners, and no folder may be writable by others. The sticky bit is no excuse: in such a folder any user
can still take a name that is free.

An access control list needs no check of its own: it gives others no more than its mask, which is what the group's bits
show (acl(5)). Nor do hard links: whoever can make one in a folder can write to that folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Collection, Iterator, List, NamedTuple, Optional

_MAX_LINKS = 40  # on one path, as the kernel has it (path_resolution(7))
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_READ = os.O_RDONLY | os.O_NONBLOCK  # a fifo put in the file's place must not hang the login


class Unsafe(Exception):
    """Another user could have written the file or put it there, or it is no regular file; says how to correct that."""


class _Place(NamedTuple):
    """What a path leads to: a descriptor of it, and its path without links."""

    descriptor: int
    path: str


def read(path: str, limit: int, owners: Collection[int], root: str = "/") -> bytes:
    """The bytes of the file at `path`, which must belong to one of `owners` (uids). Paths begin at the folder `root`.

    The descriptor that is read from is the one that was checked: no name is looked up a second time.

    Raises:
        Unsafe: if it is not safe (see this module's text), or the file is longer than `limit` bytes.
        OSError: if it cannot be read.
    """
    with _opened(path, _READ, owners, root) as place:
        _check_file(place, owners)
        with os.fdopen(place.descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    if len(content) > limit:
        raise Unsafe(f"{path}: longer than {limit} bytes")
    return content


def names(path: str, owners: Collection[int], root: str = "/") -> List[str]:
    """The names in the folder at `path`, in order. Raises as `read`.

    The folder must pass the same checks as one on the way to a file: whoever can write there can also remove a file
    that denies logins.
    """
    with _opened(path, _READ, owners, root) as place:
        _check_folder(place, owners)
        return sorted(os.listdir(place.descriptor))


def require_safe(path: str, owners: Collection[int] = (0,), root: str = "/") -> None:
    """Hold the program at `path`, which need not be readable, to what `read` holds a file to. Raises as `read`."""
    with _opened(path, os.O_PATH, owners, root) as place:
        _check_file(place, owners)


@contextlib.contextmanager
def _opened(path: str, flags: int, owners: Collection[int], root: str) -> Iterator[_Place]:
    """What is at `path`, opened with `flags`, once all that leads there is checked.

    Each step opens one name in a folder that is open and checked, so that nothing can be exchanged between the check
    and the next step. All descriptors stay open until the end: the lengths of paths bound their number.
    """
    with contextlib.ExitStack() as kept:
        base = _Place(_open(root, os.O_PATH, None, kept), "")
        _check_folder(base, owners)
        way = [base]  # from the root to where the walk has come
        pending = _parts(path if path.startswith("/") else f"{os.getcwd()}/{path}")
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                way = way[:-1] or [base]
                continue
            descriptor = _open(name, os.O_PATH if pending else flags, way[-1].descriptor, kept)
            found = _Place(descriptor, f"{way[-1].path}/{name}")
            if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = _target(found, owners)
                way = [base] if target.startswith("/") else way
                pending += _parts(target)
            else:
                if pending:
                    _check_folder(found, owners)
                way = [*way, found]
        yield way[-1]


def _parts(path: str) -> List[str]:
    """The names that `path` consists of, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _open(name: str, flags: int, folder: Optional[int], kept: contextlib.ExitStack) -> int:
    """A descriptor, closed with `kept`; of a symbolic link itself where `name` is one (open(2), O_PATH)."""
    try:
        descriptor = os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    kept.callback(os.close, descriptor)
    return descriptor


def _target(link: _Place, owners: Collection[int]) -> str:
    """Where `link` leads. Its mode says nothing (symlink(7)), its owner does."""
    _check_owner(link, os.fstat(link.descriptor), {0, *owners}, "symbolic link ", "Remove it, or run: chown -h root")
    return os.readlink("", dir_fd=link.descriptor)  # of the descriptor itself (readlink(2))


def _check_file(place: _Place, owners: Collection[int]) -> None:
    status = os.fstat(place.descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Unsafe(f"{place.path or '/'}: not a regular file")
    _check_owner(place, status, owners, "", "Run: chown root")
    if status.st_mode & _OTHERS_WRITE:
        raise Unsafe(f"{place.path}: {_writable(status.st_mode)}. Run: chmod go-w {place.path}")


def _check_folder(place: _Place, owners: Collection[int]) -> None:
    status = os.fstat(place.descriptor)
    path = place.path or "/"
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    _check_owner(place, status, {0, *owners}, "folder ", "Run: chown root")
    if status.st_mode & _OTHERS_WRITE:
        way_out = f"Run: chmod go-w {path}"
        if status.st_mode & stat.S_ISVTX:
            way_out = "Use a file in a folder that only root can write to"
        raise Unsafe(f"{path}: folder {_writable(status.st_mode)}. {way_out}")


def _check_owner(place: _Place, status: os.stat_result, owners: Collection[int], what: str, way_out: str) -> None:
    if status.st_uid not in owners:
        allowed = " or ".join("root" if uid == 0 else f"uid {uid}" for uid in sorted({*owners}))
        path = place.path or "/"
        raise Unsafe(f"{path}: {what}owned by uid {status.st_uid}, not by {allowed}. {way_out} {path}")


def _writable(mode: int) -> str:
    who = "others" if mode & stat.S_IWOTH else "its group"
    return f"writable by {who} (mode {stat.S_IMODE(mode):04o})"
