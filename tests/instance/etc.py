# SPDX-License-Identifier: Apache-2.0
"""All of a machine's /etc, so that two states of it can be compared."""

from __future__ import annotations

from typing import Dict

from testbed.machines.machine import Machine

# Type, mode, owners and target of each name, then the sums of the files. What the passing of time changes is left out.
_SCRIPT = """
cd /etc
find . -xdev ! -name ld.so.cache ! -name .updated ! -name '.pwd.lock' -printf '%P\\t%y %m %U:%G %l\\n'
find . -xdev -type f ! -name ld.so.cache ! -name .updated ! -name '.pwd.lock' -exec sha256sum {} + |
    sed 's/^\\([0-9a-f]*\\)  \\.\\/\\(.*\\)$/\\2\\t\\1/'
"""


def snapshot(machine: Machine) -> Dict[str, str]:
    """What there is in /etc, by path."""
    found: Dict[str, str] = {}
    for line in machine.shell(_SCRIPT).splitlines():
        path, _, what = line.partition("\t")
        found[path] = f"{found.get(path, '')} {what}"
    return found


def changes(before: Dict[str, str], after: Dict[str, str]) -> Dict[str, str]:
    """The paths that differ, each with how."""
    return {
        path: f"{before.get(path, 'absent')} -> {after.get(path, 'absent')}"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    }
