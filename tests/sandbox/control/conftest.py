# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from typing import Iterator, Optional

import pytest
import requests

from eic_sandbox.pki.authority import Pki
from eic_sandbox.server import Sandbox, running
from tests.sandbox.world.worlds import built

from .answers import WORLD, Answer, Control


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
