# SPDX-License-Identifier: Apache-2.0
"""Condition elements: the table of tests/vectors/iam/conditions.json, and every operator with a missing key."""

from __future__ import annotations

from typing import Dict, Mapping, Tuple

import pytest

from eic_sandbox.iam.evaluate import evaluate
from eic_sandbox.iam.operators import OPERATORS
from eic_sandbox.iam.policy import parse
from eic_sandbox.iam.request import Request
from tests.sandbox.iam.vectors import Case, cases, with_version

CONDITIONS = cases("conditions.json")

# A value of the policy, and values of a request that are equal to it and different from it.
VALUES: Dict[str, Tuple[str, str, str]] = {
    "StringEquals": ("a", "a", "b"),
    "StringNotEquals": ("a", "b", "a"),
    "StringEqualsIgnoreCase": ("a", "A", "b"),
    "StringNotEqualsIgnoreCase": ("a", "b", "A"),
    "StringLike": ("a*", "ab", "b"),
    "StringNotLike": ("a*", "b", "ab"),
    "ArnEquals": ("arn:aws:iam::1:user/a", "arn:aws:iam::1:user/a", "arn:aws:iam::1:user/b"),
    "ArnLike": ("arn:aws:iam::*:user/*", "arn:aws:iam::1:user/a", "arn:aws:iam::1:role/a"),
    "ArnNotEquals": ("arn:aws:iam::1:user/a", "arn:aws:iam::1:user/b", "arn:aws:iam::1:user/a"),
    "ArnNotLike": ("arn:aws:iam::*:user/*", "arn:aws:iam::1:role/a", "arn:aws:iam::1:user/a"),
    "NumericEquals": ("5", "5", "6"),
    "NumericNotEquals": ("5", "6", "5"),
    "NumericLessThan": ("5", "4", "5"),
    "NumericLessThanEquals": ("5", "5", "6"),
    "NumericGreaterThan": ("5", "6", "5"),
    "NumericGreaterThanEquals": ("5", "5", "4"),
    "DateEquals": ("2025", "2025-01-01", "2026"),
    "DateNotEquals": ("2025", "2026", "2025-01-01"),
    "DateLessThan": ("2025", "2024", "2025"),
    "DateLessThanEquals": ("2025", "2025", "2026"),
    "DateGreaterThan": ("2025", "2026", "2025"),
    "DateGreaterThanEquals": ("2025", "2025", "2024"),
    "Bool": ("true", "true", "false"),
    "BinaryEquals": ("QQ==", "QQ==", "Qg=="),
    "IpAddress": ("192.0.2.0/24", "192.0.2.1", "192.0.3.1"),
    "NotIpAddress": ("192.0.2.0/24", "192.0.3.1", "192.0.2.1"),
}
NEGATED = {
    "StringNotEquals",
    "StringNotEqualsIgnoreCase",
    "StringNotLike",
    "ArnNotEquals",
    "ArnNotLike",
    "NumericNotEquals",
    "DateNotEquals",
    "NotIpAddress",
}
# Whether a condition on a missing key holds; for the first, unless the operator is negated.
MISSING = {
    ("", ""): False,
    ("", "IfExists"): True,
    ("ForAnyValue:", ""): False,
    ("ForAnyValue:", "IfExists"): True,
    ("ForAllValues:", ""): True,
    ("ForAllValues:", "IfExists"): True,
}
FORMS = [(prefix, operator, suffix) for operator in VALUES for prefix, suffix in MISSING]


def holds(condition: object, context: Mapping[str, Tuple[str, ...]], effect: str = "Allow") -> bool:
    """Whether a statement of this effect with the condition applies."""
    statement = {"Effect": effect, "Action": "*", "Resource": "*", "Condition": condition}
    policy = parse({"Version": "2012-10-17", "Statement": statement}, "test")
    verdict = evaluate([policy], Request("x:y", "*", context))
    return verdict.allowed or verdict.explicit_deny


@pytest.mark.parametrize("case", CONDITIONS, ids=str)
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_condition_holds_as_the_vector_says(case: Case, effect: str) -> None:
    statement = {"Effect": effect, "Action": "*", "Resource": "*", "Condition": case.members["condition"]}
    context = case.members["context"]
    assert isinstance(context, dict)
    verdict = evaluate([with_version(case, statement)], Request("x:y", "*", context))
    expected = effect == "Deny" if case.members["holds"] == "in doubt" else case.members["holds"]
    assert (verdict.allowed, verdict.explicit_deny) == (expected and effect == "Allow", expected and effect == "Deny")


def test_every_operator_but_null_is_in_the_table_of_missing_keys() -> None:
    assert {*VALUES, "Null"} == set(OPERATORS)
    assert {name for name, operator in OPERATORS.items() if operator.negated} == NEGATED


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize(("prefix", "operator", "suffix"), FORMS)
def test_operator_with_a_missing_key(prefix: str, operator: str, suffix: str, effect: str) -> None:
    expected = MISSING[prefix, suffix] or (not prefix and operator in NEGATED)
    condition = {prefix + operator + suffix: {"x:key": VALUES[operator][0]}}
    assert holds(condition, {}, effect) is expected
    assert holds(condition, {"x:key": ()}, effect) is expected
    assert holds(condition, {"x:another": (VALUES[operator][1],)}, effect) is expected


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize(("prefix", "operator", "suffix"), FORMS)
def test_operator_with_a_present_key(prefix: str, operator: str, suffix: str, effect: str) -> None:
    wanted, satisfying, other = VALUES[operator]
    condition = {prefix + operator + suffix: {"x:key": wanted}}
    assert holds(condition, {"x:key": (satisfying,)}, effect)
    assert not holds(condition, {"x:key": (other,)}, effect)
    # With both values: ForAnyValue is satisfied, ForAllValues is not, and without either the result is in doubt.
    both = {"": effect == "Deny", "ForAnyValue:": True, "ForAllValues:": False}
    assert holds(condition, {"x:key": (satisfying, other)}, effect) is both[prefix]
    assert holds(condition, {"x:key": (other, satisfying)}, effect) is both[prefix]


@pytest.mark.parametrize("operator", sorted(set(VALUES) - {name for name in VALUES if name.startswith("String")}))
def test_text_of_another_type_satisfies_no_operator_in_an_allow(operator: str) -> None:
    for text in ("", "none", "1e3", "192.0.2.1/24", "arn:aws", "TRUE ", "=", "\x00"):
        assert not holds({operator: {"x:key": VALUES[operator][0]}}, {"x:key": (text,)})
        assert holds({operator: {"x:key": VALUES[operator][0]}}, {"x:key": (text,)}, "Deny") is (operator in NEGATED)


def test_variables_that_expand_to_more_than_any_value_match_nothing() -> None:
    condition = {"StringLike": {"x:key": "*" + "${x:long}" * 1000}}
    assert not holds(condition, {"x:key": ("a" * 8000,), "x:long": ("a" * 8000,)})
    assert holds({"StringLike": {"x:key": "*${x:long}"}}, {"x:key": ("b" * 8000,), "x:long": ("b" * 7000,)})


def test_variables_that_expand_to_too_much_leave_a_negated_operator_in_doubt() -> None:
    condition = {"StringNotLike": {"x:key": "${x:long}" * 1000}}
    context = {"x:key": ("a",), "x:long": ("a" * 8000,)}
    assert not holds(condition, context)
    assert holds(condition, context, "Deny")
