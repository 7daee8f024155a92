# SPDX-License-Identifier: Apache-2.0
"""Settings of which each is valid by itself, and that together deny keys."""

from __future__ import annotations

from typing import Optional

import pytest

from eic_sshd.config.schema import build
from eic_sshd.diagnose.configuration import problems
from eic_sshd.diagnose.finding import Severity


@pytest.mark.parametrize(
    ("window", "skew", "refused"), [(60, 0, None), (30, 30, None), (30, 60, None), (59, 0, 1), (10, 20, 30)]
)
def test_a_window_shorter_than_a_push_is_valid_is_warned_of(window: int, skew: int, refused: Optional[int]) -> None:
    config = build({"keys": {"window": window, "clock_skew": skew}})
    found = [one for one in problems(config) if one.code == "window-too-short"]
    assert [one.severity for one in found] == ([Severity.WARNING] if refused else [])
    assert [f"refused for the first {refused} s" in one.problem for one in found] == ([True] if refused else [])
