# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from eic_sandbox.cloud.instance import Instance

from ..decide.scene import Scene
from .explaining import Explain


@pytest.fixture
def command(
    instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Explain:
    return Explain(Scene(instance), tmp_path, monkeypatch, capsys)
