# SPDX-License-Identifier: Apache-2.0
"""The packages under test, as `make deb rpm` leaves them, and a package of the build before."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import MappingProxyType
from typing import Mapping, Optional

from tools.documents import ROOT

PREVIOUS = "0.1.0~previous"
_COPIES = "EIC_SSHD_PACKAGES"  # the environment variable that names the folder they are in
_OLDER = "EIC_SSHD_OLDER_DEB"  # the environment variable that names the package of an older commit, if there is one


def upgrade_from(path: Path) -> None:
    """Have `previous_deb` make its package from this one, which an older commit built."""
    os.environ[_OLDER] = str(path.resolve(strict=True))


def build() -> None:
    """Build what has changed."""
    subprocess.run(["make", "-s", "-C", ROOT, "deb", "rpm"], check=True, stdin=subprocess.DEVNULL)


def copy(folder: Path) -> None:
    """Copy all of it to `folder`, where no build replaces it during the tests."""
    for kind in ("deb", "rpm"):
        shutil.copytree(Path(ROOT) / "build" / kind, folder / "packages" / kind)
    os.environ[_COPIES] = str(folder / "packages")


def deb(name: str = "eic-sshd") -> Path:
    return _only("deb", f"{name}_*.deb")


def rpm(name: str = "eic-sshd") -> Path:
    return _only("rpm", f"{name}-[0-9]*.noarch.rpm")


def _only(kind: str, pattern: str) -> Path:
    folder = Path(os.environ[_COPIES]) / kind
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise RuntimeError(f"{folder}: {len(found)} files are {pattern}; run: make clean deb rpm")
    return found[0]


def previous_deb(folder: Path) -> Path:
    """The instance's package, of a lower version: today's, or the one that `upgrade_from` named."""
    return deb_of_version(PREVIOUS, folder, base=Path(os.environ[_OLDER]) if _OLDER in os.environ else deb())


def deb_of_version(
    version: str, folder: Path, files: Mapping[str, str] = MappingProxyType({}), base: Optional[Path] = None
) -> Path:
    """The package `base` (None: the instance's) with another version, in its `__version__` too, made in `folder`.

    `files` are paths in it with other texts than they have.
    """
    tree = folder / version
    subprocess.run(["dpkg-deb", "--raw-extract", str(base or deb()), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    lines = control.read_text().splitlines(keepends=True)
    control.write_text("".join(f"Version: {version}-1\n" if line.startswith("Version:") else line for line in lines))
    (module,) = tree.glob("usr/lib/eic-sshd/eic_sshd/__init__.py")
    module.write_text(module.read_text() + f'\n__version__ = "{version}"\n')
    for path, text in files.items():
        (tree / path.lstrip("/")).write_text(text)
    (tree / "DEBIAN" / "md5sums").unlink(missing_ok=True)
    made = folder / f"eic-sshd_{version}-1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", str(tree), str(made)], check=True, capture_output=True)
    return made


def previous_rpm(folder: Path) -> Path:
    """The instance's package again, of a lower version, built in `folder` from the same sources."""
    tree = folder / "sources"
    sources = subprocess.run([f"{ROOT}/packaging/sources.sh", str(tree)], check=True, capture_output=True, text=True)
    version = sources.stdout.split()[0]
    for file, old, new in (
        ("eic_sshd/__init__.py", f'"{version}"', f'"{PREVIOUS}"'),
        ("eic_sandbox/__init__.py", f'"{version}"', f'"{PREVIOUS}"'),
        ("packaging/deb/changelog", f"({version}-", f"({PREVIOUS}-"),
        ("packaging/rpm/eic-sshd.spec", f"Version: {version}\n", f"Version: {PREVIOUS}\n"),
    ):
        text = (tree / file).read_text()
        assert old in text, file
        (tree / file).write_text(text.replace(old, new, 1))
    subprocess.run([f"{tree}/packaging/build-rpm.sh", str(folder / "rpm")], check=True)
    (made,) = (folder / "rpm").glob(f"eic-sshd-{PREVIOUS}-*.noarch.rpm")
    return made
