# SPDX-License-Identifier: Apache-2.0
"""Some of `make fuzz` for the relay, every time."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from tests.fuzz import frames


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(frames.examples())
def test_frames_bring_only_the_payload_of_valid_messages_to_the_target(example: frames.Example) -> None:
    frames.run(example)
