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
