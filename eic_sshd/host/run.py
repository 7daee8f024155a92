# SPDX-License-Identifier: Apache-2.0
"""Runs the machine's own programs, with a fixed environment and a time limit."""

from __future__ import annotations

import shutil
import subprocess

from .errors import MachineError

_TIMEOUT = 90  # seconds for systemd to reload a unit, or for sshd to read its configuration
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class RunError(MachineError):
    """A program of the machine could not be started, or did not end in time."""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """The program's output and its exit status. Raises RunError if it cannot be started, or does not end in time."""
    shown = f"`{' '.join(command)}`"
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, env=_ENVIRONMENT,
            encoding="utf-8", errors="backslashreplace",
        )  # fmt: skip
    except FileNotFoundError as error:
        raise RunError(shown, f"it cannot be run (there is no {error.filename})") from error
    except OSError as error:
        raise RunError(shown, f"it cannot be run ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise RunError(shown, f"it did not end within {_TIMEOUT} s", "Run it by hand to see why") from error


def is_installed(program: str) -> bool:
    """Whether there is a program of that name."""
    return shutil.which(program, path=_ENVIRONMENT["PATH"]) is not None
