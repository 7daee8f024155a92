# SPDX-License-Identifier: Apache-2.0
"""Building gives the same bytes everywhere, and nothing to complain of."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from eic_sshd import __version__
from tools.documents import ROOT

from . import contents
from .commands import TOOLS, need, run

# What the environment of another user's build may contain.
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
    files = "CONTRIBUTING.md LICENSE Makefile README.md benchmarks/speed.svg"
    folders = "docs eic_sandbox eic_sshd etc packaging systemd"
    script = f'umask {umask} && cp -r --parents {files} {folders} "$0" && chmod 0700 "$0"/packaging/*.sh'
    subprocess.run(["sh", "-c", script, str(target)], cwd=source, check=True)
    return target


@pytest.mark.parametrize(
    ("builder", "kind", "count"),
    [
        (["build-deb.sh"], "deb", 3),
        (["build-rpm.sh"], "rpm", 3),
        (["build-rpm.sh", "-bs"], "src.rpm", 1),
        (["build-source-deb.sh"], "tar.?z", 2),
    ],
)
def test_build_in_another_folder_gives_the_same_bytes(
    builder: List[str], kind: str, count: int, tmp_path: Path
) -> None:
    """Another folder, another time, another umask, other files' dates and modes, another locale and time zone."""
    need(*TOOLS)
    here = copy(ROOT, tmp_path / "here", "0022")
    there = copy(str(here), tmp_path / "another" / "place", "0077")
    program, *options = builder
    subprocess.run([str(here / "packaging" / program), str(here / "out"), *options], check=True)
    script = f'umask 077 && exec "{there}/packaging/{program}" "{there}/out" {" ".join(options)}'
    subprocess.run(["sh", "-c", script], check=True, env={**os.environ, **ELSEWHERE, "SOURCE_DATE_EPOCH": "1"})
    assert len(digests(here / "out", kind)) == count
    assert digests(there / "out", kind) == digests(here / "out", kind)


def test_debians_source_package_builds_the_same_packages(build: Path, tmp_path: Path) -> None:
    run("make", "-s", "-C", ROOT, "source-deb")
    (dsc,) = (build / "source-deb").glob("*.dsc")
    tree = tmp_path / f"eic-sshd-{__version__}"
    run("dpkg-source", "--extract", str(dsc), str(tree))
    assert (tree / "debian/source/format").read_text() == "3.0 (quilt)\n"
    # -d: build-essential, which dpkg asks for in any case, is no use to what has nothing to compile.
    command = ["dpkg-buildpackage", "-us", "-uc", "-b", "-d"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, env={**os.environ, **ELSEWHERE})
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(tmp_path, "deb") == digests(build / "deb", "deb")


def test_the_source_rpm_builds_the_same_packages(build: Path, rpms: Dict[str, Path], tmp_path: Path) -> None:
    run("make", "-s", "-C", ROOT, "srpm")
    (source,) = (build / "srpm").glob("*.src.rpm")
    run("rpmbuild", "--rebuild", "--nodeps", "--define", f"_topdir {tmp_path}", str(source))
    built = {path.name: path for path in tmp_path.glob("RPMS/noarch/*.rpm")}
    assert set(built) == {path.name for path in rpms.values()}
    for path in rpms.values():
        assert contents.of_rpm(built[path.name]) == contents.of_rpm(path)


def test_lintian_rpmlint_and_mandoc_report_nothing(build: Path) -> None:
    need("lintian", "rpmlint", "mandoc")
    done = subprocess.run([f"{ROOT}/packaging/lint.sh", str(build)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_packages_are_not_rebuilt_while_nothing_changed(build: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in build.glob("*/*.[dr][ep][bm]")}
    subprocess.run(["make", "-s", "-C", ROOT, "deb", "rpm"], check=True)
    assert {path: path.stat().st_mtime_ns for path in build.glob("*/*.[dr][ep][bm]")} == before
