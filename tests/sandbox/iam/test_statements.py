# SPDX-License-Identifier: Apache-2.0
"""Action and Resource elements: the table of tests/vectors/iam/statements.json."""

from __future__ import annotations

import pytest

from eic_sandbox.iam.evaluate import evaluate
from tests.sandbox.iam.vectors import Case, cases, request, with_version


@pytest.mark.parametrize("case", cases("statements.json"), ids=str)
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_statement_applies_as_the_vector_says(case: Case, effect: str) -> None:
    statement = case.members["statement"]
    assert isinstance(statement, dict)
    verdict = evaluate([with_version(case, {**statement, "Effect": effect})], request(case.members["request"]))
    expected = effect == "Deny" if case.members["applies"] == "in doubt" else case.members["applies"]
    assert (verdict.allowed, verdict.explicit_deny) == (expected and effect == "Allow", expected and effect == "Deny")
