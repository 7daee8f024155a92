# SPDX-License-Identifier: Apache-2.0
"""What lies in a package or below a folder: the same for a .deb, a .rpm and what `make install` lays out."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Set

from .commands import run


class Entry(NamedTuple):
    """A file or folder; `mode` with its type, `sha256` empty for a folder."""

    mode: str
    owner: str
    sha256: str


Contents = Dict[str, Entry]


def of_deb(package: Path) -> Contents:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpacking:
        assert unpacking.stdout is not None
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive:
            return {
                member.name[1:]: Entry(
                    oct((stat.S_IFDIR if member.isdir() else stat.S_IFREG) | member.mode),
                    f"{member.uname}:{member.gname}",
                    "" if member.isdir() else _sha256(_content(archive, member)),
                )
                for member in archive
                if member.name != "."
            }


def of_rpm(package: Path) -> Contents:
    """Without %ghost files, of which the package holds nothing."""
    fields = "[%{FILENAMES}\t%{FILEMODES:octal}\t%{FILEUSERNAME}:%{FILEGROUPNAME}\t"
    fields += "%{FILEDIGESTS}\t%{FILEFLAGS:fflags}\n]"
    split = [line.split("\t") for line in _query(package, fields)]
    return {
        path: Entry(oct(int(mode, 8)), owner, digest) for path, mode, owner, digest, flags in split if "g" not in flags
    }


def ghosts_of_rpm(package: Path) -> Set[str]:
    """The files that rpm erases with the package, though it holds nothing of them."""
    split = [line.split("\t") for line in _query(package, "[%{FILENAMES}\t%{FILEFLAGS:fflags}\n]")]
    return {path for path, flags in split if "g" in flags}


def _query(package: Path, fields: str) -> List[str]:
    return run("rpm", "-qp", "--nosignature", "--queryformat", fields, str(package)).splitlines()


def of_tree(tree: Path) -> Contents:
    """`owner` counts as root: the user that runs the tests installed the files."""
    found = {}
    for path in tree.rglob("*"):
        content = "" if path.is_dir() else _sha256(path.read_bytes())
        found[f"/{path.relative_to(tree)}"] = Entry(oct(os.lstat(path).st_mode), "root:root", content)
    return found


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None, member.name
    return file.read()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
