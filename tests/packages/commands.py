# SPDX-License-Identifier: Apache-2.0
"""Commands that the tests of packages run, and tests that are skipped without them."""

from __future__ import annotations

import os
import shutil
import subprocess

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
