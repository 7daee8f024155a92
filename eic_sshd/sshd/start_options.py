# SPDX-License-Identifier: Apache-2.0
"""The options that sshd is started with, which take precedence over its configuration.

The unit files are read directly: in an image no systemd runs, and systemd does not expand EnvironmentFile= either.
"""

from __future__ import annotations

import glob
import os
import re
from typing import Iterator, Optional, Tuple

from ..host.systemd import UNIT_FOLDERS

_STARTING_SSHD = ("ssh.service", "sshd.service", "ssh@.service", "sshd@.service")
_OPTIONS_FILES = ("etc/default/ssh", "etc/sysconfig/sshd")


def overrides(root: str, config: str) -> Iterator[Tuple[str, str]]:
    """(option, FILE:LINE) of each place below `root` that starts sshd with options that override `config`."""
    for file in _sshd_unit_files(root):
        try:
            with open(file, encoding="utf-8", errors="replace") as opened:
                text = opened.read()
        except OSError:
            continue
        for number, line in _logical_lines(text):
            option = _override(line, config)
            if option is not None:
                yield option, f"{file}:{number}"


def _sshd_unit_files(root: str) -> Iterator[str]:
    seen = set()
    for folder in UNIT_FOLDERS:
        base = os.path.join(root, folder)
        for unit in _STARTING_SSHD:
            for file in [os.path.join(base, unit), *sorted(glob.glob(os.path.join(base, f"{unit}.d", "*.conf")))]:
                name = os.path.relpath(file, base)
                if name not in seen and os.path.lexists(file):
                    seen.add(name)
                    yield file
    yield from (os.path.join(root, file) for file in _OPTIONS_FILES)


def _logical_lines(text: str) -> Iterator[Tuple[int, str]]:
    """The lines with their numbers, without comments.

    A backslash at the end joins a line to the next one that is not a comment (systemd.syntax(7), sh(1)).
    """
    number, begun = 1, ""
    for at, line in enumerate(text.split("\n"), start=1):
        if line.lstrip().startswith(("#", ";")):
            continue
        number = number if begun else at
        begun += line
        if begun.endswith("\\"):
            begun = f"{begun[:-1]} "
        else:
            yield number, begun
            begun = ""


def _override(line: str, config: str) -> Optional[str]:
    """The option on the `line` of a unit, or of a file with sshd's options, that overrides `config`."""
    option = re.search(r"-o\s*[\"']?(AuthorizedKeysCommand(?:User)?)\b", line, re.IGNORECASE)
    if option:
        return f"-o {option.group(1)}"
    # Other programs that a unit runs have an option -f too.
    options = re.search(r"(?:(?:^|[\s=@+!:-])(?:/\S*/)?sshd\s|OPT\w*\s*=)(.*)", line)
    other = re.search(r"(?:^|[\s\"'])-f\s*(/[^\s\"']+)", options.group(1)) if options else None
    return f"-f {other.group(1)}" if other and other.group(1) != config else None
