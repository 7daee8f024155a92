# SPDX-License-Identifier: Apache-2.0
"""The built packages, once a session, and what they hold."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Dict

import pytest

from tools.documents import ROOT

TOOLS = ("dpkg-buildpackage", "dh", "dh_python3", "rpmbuild", "checkmodule", "semodule_package")


def need(*tools: str) -> None:
    """Skip where one of `tools` is missing, and say which."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (make setup installs them)")


def run(*command: str, **more: str) -> str:
    """What `command` prints, with `more` in its environment; its complaints are the failure's message."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **more}, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
