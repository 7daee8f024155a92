# SPDX-License-Identifier: Apache-2.0
"""A new folder that only the user of this process can read: what it holds may name people and machines."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import List

from .errors import MachineError

_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


class NewFolder:
    """A folder made by `create`, for this process's user alone. Its files are made, never replaced."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._names: List[str] = []

    @classmethod
    def create(cls, path: str) -> NewFolder:
        """Make the folder at `path`, mode 0700. Raises MachineError, also if something is there already."""
        try:
            os.mkdir(path, 0o700)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
        except FileExistsError:
            raise MachineError(path, "it exists already", "Name a folder that does not exist") from None
        except (OSError, ValueError) as error:
            raise MachineError(path, f"the folder cannot be made: {_reason(error)}") from error
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077 or os.listdir(descriptor):
            os.close(descriptor)
            raise MachineError(path, "another user replaced the new folder", "Name one in a folder of your own")
        return cls(path, descriptor)

    def write(self, name: str, content: bytes) -> None:
        """Make the file `name`, mode 0600. Raises MachineError."""
        try:
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=self._descriptor)
            self._names.append(name)
            with os.fdopen(file, "wb") as opened:
                opened.write(content)
        except OSError as error:
            raise MachineError(os.path.join(self.path, name), _reason(error)) from error

    def close(self) -> None:
        """The folder is complete."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Remove the folder and what was written to it: it is not complete."""
        for name in self._names:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._descriptor)
        self.close()
        with contextlib.suppress(OSError):
            os.rmdir(self.path)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
