# SPDX-License-Identifier: Apache-2.0
"""The policies of AWS's documentation: what each allows and denies."""

from __future__ import annotations

import pytest

from eic_sandbox.iam.evaluate import Verdict, evaluate
from eic_sandbox.iam.keys import unsupplied
from eic_sandbox.iam.policy import parse
from tests.sandbox.iam.vectors import Case, cases, listed, request

POLICIES = cases("policies.json")
REQUESTS = [
    pytest.param(case.members["policy"], members, expected == "allowed", id=f"{case.name}-{expected}-{number}")
    for case in POLICIES
    for expected in ("allowed", "denied")
    for number, members in enumerate(listed(case, expected))
]


@pytest.mark.parametrize(("policy", "members", "allowed"), REQUESTS)
def test_documented_policy_allows_these_requests_and_no_others(policy: object, members: object, allowed: bool) -> None:
    verdict = evaluate([parse(policy, "documented")], request(members))
    assert verdict.allowed is allowed
    assert not verdict.explicit_deny


@pytest.mark.parametrize(("policy", "members", "allowed"), REQUESTS)
def test_documented_policy_attached_to_nobody_allows_nothing(policy: object, members: object, allowed: bool) -> None:
    assert evaluate([], request(members)) == Verdict(False, False)


@pytest.mark.parametrize("case", POLICIES, ids=str)
def test_the_sandbox_supplies_the_keys_of_documented_policies(case: Case) -> None:
    expected = ["iam:AWSServiceName"] if case.name.startswith("8-") else []
    assert unsupplied(parse(case.members["policy"], "documented")) == expected
