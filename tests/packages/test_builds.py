# SPDX-License-Identifier: Apache-2.0
"""Building gives the same bytes everywhere, and nothing to complain of."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Dict

import pytest

from docs.generate import ROOT

from .conftest import TOOLS, need

# What a build of somebody else's may have in its environment.
ELSEWHERE = {
    "LC_ALL": "POSIX",
    "LANG": "POSIX",
    "TZ": "Asia/Kathmandu",
    "HOME": "/nonexistent",
    "USER": "x",
}


def digests(folder: Path, kind: str) -> Dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob(f"*.{kind}")}


def copy(source: str, target: Path, umask: str) -> Path:
    """What packages are built from, as a checkout at another time by another user."""
    target.mkdir(parents=True)
    parts = "LICENSE Makefile README.md docs eic_sshd etc packaging systemd"
    script = f'umask {umask} && cp -r {parts} "$0" && chmod 0700 "$0"/packaging/*.sh'
    subprocess.run(["sh", "-c", script, str(target)], cwd=source, check=True)
    return target


@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_a_build_elsewhere_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    """Another folder, another time, another umask, other files' dates and modes, another locale and time zone."""
    need(*TOOLS)
    here = copy(ROOT, tmp_path / "here", "0022")
    there = copy(str(here), tmp_path / "another" / "place", "0077")
    builder = f"packaging/build-{kind}.sh"
    subprocess.run([str(here / builder), str(here / "out")], check=True)
    script = f'umask 077 && exec "{there}/{builder}" "{there}/out"'
    subprocess.run(["sh", "-c", script], check=True, env={**os.environ, **ELSEWHERE, "SOURCE_DATE_EPOCH": "1"})
    assert len(digests(here / "out", kind)) == 3
    assert digests(there / "out", kind) == digests(here / "out", kind)


def test_lintian_rpmlint_and_mandoc_have_nothing_to_say(build: Path) -> None:
    need("lintian", "rpmlint", "mandoc")
    done = subprocess.run([f"{ROOT}/packaging/lint.sh", str(build)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_nothing_is_built_anew_while_nothing_changed(build: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in build.glob("*/*.[dr][ep][bm]")}
    subprocess.run(["make", "-s", "-C", ROOT, "deb", "rpm"], check=True)
    assert {path: path.stat().st_mtime_ns for path in build.glob("*/*.[dr][ep][bm]")} == before
