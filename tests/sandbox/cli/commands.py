# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of eic-sandbox in this process."""

from __future__ import annotations

from pathlib import Path
from typing import List, NamedTuple

import pytest

from eic_sandbox import cli


class Done(NamedTuple):
    status: int
    out: str
    err: str


class Command:
    """Runs `eic-sandbox ARGUMENTS --directory FOLDER`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Done:
        self._capsys.readouterr()
        status = cli.main([*arguments, "--directory", str(self.folder)])
        return Done(status, *self._capsys.readouterr())

    def lines(self, *arguments: str) -> List[str]:
        """What it prints; it must succeed."""
        done = self(*arguments)
        assert (done.status, done.err) == (0, "")
        return done.out.splitlines()
