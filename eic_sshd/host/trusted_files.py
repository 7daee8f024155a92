# SPDX-License-Identifier: Apache-2.0
"""Reading files that decide who may log in: whole, of bounded size, and under the control of their owners alone.

The rules are those of sshd (sshd_config(5), StrictModes; misc.c, safe_path), and apply to symbolic links too: each
folder, each link and each folder on the path to a link's target must belong to root or to one of the owners, and no
folder may be writable by others. This includes folders with the sticky bit: there any user can create a file under a
name that does not exist yet.

Access control lists need no check of their own: they give others no more than their mask, which the group's bits show
(acl(5)). Nor do hard links: a user who can make one in a folder can write to that folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Collection, Iterator, List, Optional

from ..model.value import Value

_MAX_LINKS = 40  # on one path, as in the kernel (path_resolution(7))
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_READ = os.O_RDONLY | os.O_NONBLOCK  # opening a fifo must not block the login


class UntrustedFile(Exception):
    """Another user could have written the file or put it there, or it is not a regular file, or it is too long.

    `path` is the file, or the folder or symbolic link on the way to it, that has the `problem`; `remedy` says how to
    correct that, in sentences without the last full stop, and is empty where there is nothing to say.
    """

    def __init__(self, path: str, problem: str, remedy: str = "") -> None:
        super().__init__(f"{path}: {problem}" + (f". {remedy}" if remedy else ""))
        self.path = path
        self.problem = problem
        self.remedy = remedy


class _Place(Value):
    """A file, folder or link: an open descriptor of it, and its path without links."""

    descriptor: int
    path: str


def read(path: str, limit: int, owners: Collection[int], root: str = "/") -> bytes:
    """The bytes of the file at `path`, which must belong to one of `owners` (uids). Paths begin at the folder `root`.

    It reads from the descriptor that it checked: no name is looked up a second time.

    Raises:
        UntrustedFile: if another user could have changed it (see this module's text), or it is not a regular file of at
            most `limit` bytes.
        OSError: if it cannot be read.
    """
    with _opened(path, _READ, owners, root) as place:
        _check_file(place, owners)
        with os.fdopen(place.descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    if len(content) > limit:
        raise UntrustedFile(path, f"longer than {limit} bytes")
    return content


def names(path: str, owners: Collection[int], root: str = "/") -> List[str]:
    """The names in the folder at `path`, sorted. Raises as `read`.

    The folder must pass the same checks as one above a file: a user who can write there can also remove a file that
    denies logins.
    """
    with _opened(path, _READ, owners, root) as place:
        _check_folder(place, owners)
        return sorted(os.listdir(place.descriptor))


def require_safe(path: str, owners: Collection[int] = (0,), root: str = "/") -> None:
    """Check the program at `path`, which need not be readable, as `read` checks a file. Raises as `read`."""
    with _opened(path, os.O_PATH, owners, root) as place:
        _check_file(place, owners)


@contextlib.contextmanager
def _opened(path: str, flags: int, owners: Collection[int], root: str) -> Iterator[_Place]:
    """The file or folder at `path`, opened with `flags` after everything above it was checked.

    Each step opens one name in a folder that is open and checked, so that no other user can replace anything between
    the check and the next step. All descriptors stay open until the end: the lengths of paths bound their number.
    """
    with contextlib.ExitStack() as kept:
        base = _Place(_open(root, os.O_PATH, None, kept), "")
        _check_folder(base, owners)
        way = [base]  # the folders from the root to the current one
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
    """A descriptor of `name`, or of the symbolic link itself where it is one (open(2), O_PATH). `kept` closes it."""
    try:
        descriptor = os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    kept.callback(os.close, descriptor)
    return descriptor


def _target(link: _Place, owners: Collection[int]) -> str:
    """The target of `link`, whose owner must be trusted; its mode has no meaning (symlink(7))."""
    remedy = "Remove it, or run `chown -h root %s`"
    _check_owner(link, os.fstat(link.descriptor), {0, *owners}, "symbolic link ", remedy)
    return os.readlink("", dir_fd=link.descriptor)  # of the descriptor itself (readlink(2))


def _check_file(place: _Place, owners: Collection[int]) -> None:
    status = os.fstat(place.descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise UntrustedFile(place.path or "/", "not a regular file")
    _check_owner(place, status, owners)
    if status.st_mode & _OTHERS_WRITE:
        raise UntrustedFile(place.path, _writable(status.st_mode), f"Run `chmod go-w {_quoted(place.path)}`")


def _check_folder(place: _Place, owners: Collection[int]) -> None:
    status = os.fstat(place.descriptor)
    path = place.path or "/"
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    _check_owner(place, status, {0, *owners}, "folder ")
    if status.st_mode & _OTHERS_WRITE:
        remedy = f"Run `chmod go-w {_quoted(path)}`"
        if status.st_mode & stat.S_ISVTX:  # without write access for all, /tmp is of no use
            remedy = "Use a file in a folder that only root can write to"
        raise UntrustedFile(path, f"folder {_writable(status.st_mode)}", remedy)


def _check_owner(
    place: _Place, status: os.stat_result, owners: Collection[int], kind: str = "", remedy: str = "Run `chown root %s`"
) -> None:
    if status.st_uid not in owners:
        allowed = " or ".join("root" if uid == 0 else f"uid {uid}" for uid in sorted({*owners}))
        path = place.path or "/"
        raise UntrustedFile(path, f"{kind}owned by uid {status.st_uid}, not by {allowed}", remedy % _quoted(path))


def _writable(mode: int) -> str:
    who = "others" if mode & stat.S_IWOTH else "its group"
    return f"writable by {who} (mode {stat.S_IMODE(mode):04o})"


def _quoted(path: str) -> str:
    """`path` for a shell: another user may have chosen its name. The module shlex would be slow to load."""
    if all(letter.isalnum() or letter in "/._@+-" for letter in path):
        return path
    return "'" + path.replace("'", "'\\''") + "'"
