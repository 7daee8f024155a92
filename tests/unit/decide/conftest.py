# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from eic_sandbox.cloud.instance import Instance

from .scene import Scene


@pytest.fixture
def scene(instance: Instance) -> Scene:
    return Scene(instance)
