# SPDX-License-Identifier: Apache-2.0
"""Running the machine's own programs: with an environment of ours, and for no longer than they may take."""

from __future__ import annotations

import shutil
import subprocess

from .errors import MachineError

_PATIENCE = 90  # seconds for systemd to reload something, or for sshd to read its configuration
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class RunError(MachineError):
    """A program of the machine could not be started, or did not end in time."""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """What the program says, and its exit status. Raises RunError if it can't be run, or does not end."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, env=_ENVIRONMENT,
            encoding="utf-8", errors="backslashreplace",
        )  # fmt: skip
    except FileNotFoundError as error:
        raise RunError(f"`{' '.join(command)}` can't be run: there is no {error.filename}") from error
    except OSError as error:
        raise RunError(f"`{' '.join(command)}` can't be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise RunError(f"`{' '.join(command)}` was ended after {_PATIENCE} s: see why it hangs, by hand") from error


def is_there(program: str) -> bool:
    """Whether there is a program of that name."""
    return shutil.which(program, path=_ENVIRONMENT["PATH"]) is not None
