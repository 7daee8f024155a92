# SPDX-License-Identifier: Apache-2.0
"""A world of two accounts, two Regions, three instances and an endpoint, and what its control API answers."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, NamedTuple

WORLD = (Path(__file__).parent / "world.yaml").read_text(encoding="utf-8")
FIRST, SECOND, OTHER = "i-0000000000000000a", "i-0000000000000000b", "i-0000000000000000c"


class Answer(NamedTuple):
    status: int
    members: Dict[str, object]

    @property
    def error(self) -> str:
        """The message of a refusal."""
        assert self.status >= 400
        assert list(self.members) == ["error"]
        message = self.members["error"]
        assert isinstance(message, str)
        assert message.isprintable()
        return message


Control = Callable[..., Answer]
