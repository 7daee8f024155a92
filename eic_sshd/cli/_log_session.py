# SPDX-License-Identifier: Apache-2.0
"""Which login session this process belongs to, and which sshd processes run, from /proc (proc(5))."""

from __future__ import annotations

import os
import re
from typing import List, Optional

_MAX_ANCESTORS = 64


class Processes:
    """The processes of this machine; `root` has its /proc."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root

    def boot_id(self) -> str:
        """The id of this boot, as the journal has it; empty if it is unknown."""
        return self._read("sys/kernel/random/boot_id").strip().replace("-", "")

    def is_sshd(self, pid: int) -> bool:
        """Whether the process runs and is an sshd."""
        return self._read(f"{pid}/comm").startswith("sshd")

    def session_id(self) -> Optional[str]:
        """logind's id of this process's session: its control group is session-ID.scope. None if it is in none."""
        found = re.search(r"/session-([A-Za-z0-9]+)\.scope(?:/|$)", self._read("self/cgroup"), re.MULTILINE)
        return found.group(1) if found else None

    def ancestors(self) -> List[int]:
        """The process ids of this process's parent, of its parent and so on."""
        found: List[int] = []
        pid = self._parent("self")
        while pid is not None and pid > 1 and len(found) < _MAX_ANCESTORS:
            found.append(pid)
            pid = self._parent(str(pid))
        return found

    def _parent(self, process: str) -> Optional[int]:
        found = re.search(r"^PPid:\s*(\d+)$", self._read(f"{process}/status"), re.MULTILINE)
        return int(found.group(1)) if found else None

    def _read(self, name: str) -> str:
        try:
            with open(os.path.join(self._root, name), encoding="utf-8", errors="replace") as file:
                return file.read(64 * 1024)
        except OSError:
            return ""
