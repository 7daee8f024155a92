# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
import requests

from .fleet import Fleet, fleet


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Fleet]:
    """A running sandbox with two accounts, for one test."""
    with fleet(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """As `world`, for tests that change nothing in it but the policies of their own users."""
    with fleet(tmp_path_factory.mktemp("fleet")) as made:
        yield made


@pytest.fixture
def nothing_else_connects(request: pytest.FixtureRequest) -> Iterator[None]:
    """The target counts connections: none but those of tunnels that were opened."""
    name = "world" if "world" in request.fixturenames else "shared_world"
    world: Fleet = request.getfixturevalue(name)
    before = len(world.events), len(world.target.peers)
    yield
    tunnels = [event for event in world.events[before[0] :] if event["eventName"] == "OpenTunnel"]
    opened = [event for event in tunnels if "errorCode" not in event]
    assert len(world.target.peers) - before[1] == len(opened)
