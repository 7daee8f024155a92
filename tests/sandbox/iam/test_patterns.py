# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from eic_sandbox.iam.patterns import ascii_lower, fold_case, literal, matches, wild


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 2000 + "b", "a" * 8000),
        ("a*" * 2000, "a" * 1999),
        ("?*" * 4000, "a" * 3999),
        ("*" * 9000 + "b", "a" * 8000),
    ],
    ids=["no-end", "one-too-few", "one-character-too-few", "only-runs"],
)
def test_pattern_that_would_make_a_backtracking_matcher_hang_does_not_match(pattern: str, text: str) -> None:
    assert not matches(wild(pattern), text)


def test_literal_text_has_no_wildcards() -> None:
    assert matches(literal("a*?"), "a*?")
    assert not matches(literal("a*?"), "abc")


@pytest.mark.parametrize(
    ("text", "lower"), [("EC2:Run", "ec2:run"), ("\u212a", "\u212a"), ("É", "É"), ("[@`{", "[@`{"), ("AZaz", "azaz")]
)
def test_ascii_lower_changes_only_ascii_letters(text: str, lower: str) -> None:
    assert ascii_lower(text) == lower


@pytest.mark.parametrize("text", ["straße", "İstanbul", "\ufb03", "ΣΊΣΥΦΟΣ"])
def test_folding_never_changes_the_length(text: str) -> None:
    assert len(fold_case(text)) == len(text)
