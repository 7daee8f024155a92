# SPDX-License-Identifier: Apache-2.0
"""A client of IMDS that reads from a sandbox instance in this process, without HTTP."""

from __future__ import annotations

from typing import List, Optional

from eic_sandbox.cloud.instance import Instance
from eic_sshd.imds.client import Imds
from eic_sshd.model.deadline import Deadline


class MemoryImds(Imds):
    """`reads` lists the paths that were read."""

    def __init__(self, instance: Instance) -> None:
        super().__init__("http://127.0.0.1:9", 1.0)
        self.reads: List[str] = []
        self.instance = instance

    def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        self.reads.append(path)
        return self.instance.read(path)
