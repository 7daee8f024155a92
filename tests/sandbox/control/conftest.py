# SPDX-License-Identifier: Apache-2.0
"""A running sandbox with two accounts, two Regions, three instances and an endpoint."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, Dict, Iterator, NamedTuple, Optional

import pytest
import requests

from eic_sandbox.pki.authority import Pki
from eic_sandbox.server import Sandbox, running
from tests.sandbox.world.worlds import built

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


@pytest.fixture
def world(pki: Pki) -> Iterator[Sandbox]:
    """Each test changes its own."""
    with running(Sandbox(built(WORLD, pki, now=time.time()))) as sandbox:
        yield sandbox


@pytest.fixture
def control(world: Sandbox, session: requests.Session) -> Control:
    """Sends a request to the control API of `world`: `json` or `data` is its body."""

    def send(method: str, path: str, json: Optional[object] = None, **options: object) -> Answer:
        url = f"{world.endpoints['control']}/{path}"
        answer = session.request(method, url, json=json, timeout=10, **options)  # type: ignore[arg-type]
        return Answer(answer.status_code, answer.json())

    return send
