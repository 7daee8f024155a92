# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator

import pytest

from eic_sandbox.pki.authority import Pki
from eic_sandbox.server import Sandbox, running
from tests.sandbox.control.answers import WORLD
from tests.sandbox.world.worlds import built

from .commands import Command


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
