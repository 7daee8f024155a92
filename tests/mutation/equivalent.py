# SPDX-License-Identifier: Apache-2.0
"""Mutants that no unit test can or should tell from the original, each with the reason.

They are known by their content: function, statement before and after. One that is no longer made, or that a test kills,
is an error.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple


class Equivalent(NamedTuple):
    """The mutants of `function` in `module` that make `was` one of `now`."""

    module: str
    function: str
    was: str
    now: Tuple[str, ...]
    reason: str


EQUIVALENT: Tuple[Equivalent, ...] = ()
