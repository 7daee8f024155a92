# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Iterator

import pytest
import requests


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made
