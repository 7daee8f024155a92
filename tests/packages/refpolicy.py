# SPDX-License-Identifier: Apache-2.0
"""The development files of a Debian release's SELinux policy, and our module compiled against them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.documents import ROOT

RELEASES = ("bookworm", "trixie")
_PACKAGE = "selinux-policy-dev"
_INSTALLED = Path("/usr/share/selinux")
_CACHE = Path(ROOT) / "build" / "refpolicy"
_SOURCES = (
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {release} main\n"
)


class UnavailableError(Exception):
    """The package of that release is neither here nor to be had."""


def development_files(release: str) -> Path:
    """The folder that is /usr/share/selinux in `release`, from its archive if it is not this machine's own. Raises
    UnavailableError."""
    if _codename() == release and (_INSTALLED / "devel").is_dir():
        return _INSTALLED
    kept = _CACHE / release
    if not kept.is_dir():
        if shutil.which("apt-get") is None:
            raise UnavailableError("apt-get is not installed")
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
            _download(release, Path(folder))
            os.rename(f"{folder}/root", kept)
    return kept / "usr/share/selinux"


def _download(release: str, folder: Path) -> None:
    """Unpack the package into `folder`/root, by an apt that has nothing to do with this machine's."""
    for part in ("state/lists/partial", "cache/archives/partial", "etc"):
        (folder / part).mkdir(parents=True)
    (folder / "etc/sources.list").write_text(_SOURCES.format(release=release))
    apt = [
        "apt-get", "-q", "-o", f"Dir::State={folder}/state", "-o", f"Dir::Cache={folder}/cache",
        "-o", f"Dir::Etc={folder}/etc", "-o", "Dir::State::status=/dev/null", "-o", "APT::Sandbox::User=root",
        "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20",
    ]  # fmt: skip
    for command in ([*apt, "--error-on=any", "update"], [*apt, "download", _PACKAGE]):
        _run(command, folder)
    (package,) = folder.glob(f"{_PACKAGE}_*.deb")
    _run(["dpkg-deb", "--extract", str(package), f"{folder}/root"], folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise UnavailableError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{command} failed")


def compile_module(development: Path, folder: Path) -> bytes:
    """Our module (a .pp file), compiled in `folder`."""
    for source in Path(ROOT).glob("packaging/selinux/*"):
        shutil.copy(source, folder)
    command = [
        "make", "-s", "-f", f"{development}/devel/Makefile", f"SHAREDIR={development}",
        f"HEADERDIR={development}/devel/include", "NAME=targeted", "eic_sshd.pp",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "eic_sshd.pp").read_bytes()


def _codename() -> str:
    with open("/etc/os-release", encoding="utf-8") as file:
        pairs = dict(line.strip().partition("=")[::2] for line in file)
    return pairs.get("VERSION_CODENAME", "").strip('"')
