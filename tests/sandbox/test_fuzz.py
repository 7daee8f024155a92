# SPDX-License-Identifier: Apache-2.0
"""Some of `make fuzz`, every time: whatever is sent to a running sandbox gets an answer, and gives nobody more."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.services import targets
from tests.fuzz.targets import Target


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.name)
def test_a_fuzzed_request_is_answered_and_gives_nothing_that_is_denied(target: Target) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def run(example: object) -> None:
        target.run(example)

    run()
