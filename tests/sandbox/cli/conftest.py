# SPDX-License-Identifier: Apache-2.0
"""The commands of eic-sandbox against a sandbox that runs in this process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator, List, NamedTuple

import pytest

from eic_sandbox import cli
from eic_sandbox.pki.authority import Pki
from eic_sandbox.server import Sandbox, running
from tests.sandbox.control.conftest import WORLD
from tests.sandbox.world.worlds import built


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


@pytest.fixture
def world(pki: Pki, tmp_path: Path) -> Iterator[Sandbox]:
    with running(Sandbox(built(WORLD, pki, now=time.time()))) as sandbox:
        sandbox.describe(str(tmp_path))
        yield sandbox


@pytest.fixture
def command(world: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, capsys)


@pytest.fixture
def alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """With a folder in which no sandbox describes itself."""
    return Command(tmp_path, capsys)
