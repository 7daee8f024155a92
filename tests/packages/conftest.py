# SPDX-License-Identifier: Apache-2.0
"""The built packages, once a session, and what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

import pytest

from tools.documents import ROOT

from .commands import TOOLS, need, run


@pytest.fixture(scope="session")
def build() -> Path:
    """build/, with the packages in deb/ and rpm/."""
    need(*TOOLS)
    run("make", "-s", "-C", ROOT, "deb", "rpm")
    return Path(ROOT) / "build"


@pytest.fixture(scope="session")
def debs(build: Path) -> Dict[str, Path]:
    """The .deb of each package name."""
    return {path.name.split("_")[0]: path for path in sorted(build.glob("deb/*.deb"))}


@pytest.fixture(scope="session")
def rpms(build: Path) -> Dict[str, Path]:
    """The .rpm of each package name."""
    return {path.name.rsplit("-", 2)[0]: path for path in sorted(build.glob("rpm/*.rpm"))}
