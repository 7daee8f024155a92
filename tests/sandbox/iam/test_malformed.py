# SPDX-License-Identifier: Apache-2.0
"""Invalid documents: the table of tests/vectors/iam/malformed.json, and the texts of the errors."""

from __future__ import annotations

from datetime import date
from typing import Dict, List

import pytest

from eic_sandbox.iam.document import MAX_SIZE, decode
from eic_sandbox.iam.policy import PolicyError, parse, parse_trust
from tests.sandbox.iam.vectors import Case, cases

VALID: Dict[str, object] = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}


@pytest.mark.parametrize("case", cases("malformed.json"), ids=str)
def test_malformed_document_is_an_error_at_its_place(case: Case) -> None:
    with pytest.raises(PolicyError) as caught:
        (parse_trust if case.members.get("trust") else parse)(case.members["document"], "NAME")
    path = case.members["path"]
    assert isinstance(path, list)
    assert (caught.value.path, caught.value.problem) == (tuple(path), case.members["problem"])
    assert str(caught.value).startswith("NAME: ")
    assert str(caught.value).isprintable()
    assert caught.value.remedy.endswith(".")


def error(document: object) -> str:
    with pytest.raises(PolicyError) as caught:
        parse(document, "readers")
    return str(caught.value)


def test_error_names_policy_place_problem_and_remedy() -> None:
    statement = {**VALID, "Condition": {"StringEqualz": {"aws:username": "bob"}}}
    place = "Statement[1].Condition.StringEqualz"
    assert error({"Statement": [VALID, statement]}) == f"readers: {place}: unknown operator. Use StringEquals."


def test_error_of_a_single_statement_has_no_number() -> None:
    assert error({"Statement": {**VALID, "Effect": "Maybe"}}) == (
        "readers: Statement.Effect: unknown effect ('Maybe'). Use Allow or Deny."
    )


def test_error_of_a_whole_document_has_no_place() -> None:
    assert error([]) == "readers: not an object (an array). Use {...}."


def test_error_quotes_a_name_that_is_not_plain() -> None:
    assert error({"Statement": VALID, "a b\n": 1}) == ('readers: ["a b\\n"]: unknown element. Use Version, Statement.')


def test_error_shortens_long_values() -> None:
    assert len(error({"Statement": {**VALID, "Action": "x" * 5000}})) < 250
    assert len(error({"Statement": {**VALID, "x" * 5000: 1}})) < 250


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"Version": date(2012, 10, 17), "Statement": VALID}, "not a string (a date)"),
        ({"Statement": VALID, True: 1}, "a name that is not a string (a Boolean)"),
        ({"Statement": {**VALID, "Action": ("ec2:*",)}}, "not a string (a tuple)"),
        ({"Statement": {**VALID, "Condition": {"NumericEquals": {"x:key": float("nan")}}}}, "a number with"),
        ({"Statement": {**VALID, "Condition": {"NumericEquals": {"x:key": -(10**5000)}}}}, "a number with"),
    ],
)
def test_values_that_json_does_not_have_are_errors(document: object, problem: str) -> None:
    assert problem in error(document)


def test_document_that_contains_itself_is_an_error() -> None:
    statements: List[object] = []
    statements.append(statements)
    assert "levels deep" in error({"Statement": statements})


def test_document_that_repeats_a_part_without_end_is_an_error() -> None:
    part: object = "x"
    for _ in range(5):
        part = [part] * 1000
    assert "larger than the limit" in error({"Statement": part})


@pytest.mark.parametrize(
    "part",
    [{"Resource": "x" * MAX_SIZE}, {"Action": ["ec2:*"] * 1300}, {"Condition": {"StringEquals": {"x" * MAX_SIZE: ""}}}],
    ids=["text", "array", "name"],
)
def test_document_with_one_large_part_is_an_error(part: Dict[str, object]) -> None:
    assert "larger than the limit" in error({"Statement": {**VALID, **part}})


def with_size(size: int) -> Dict[str, object]:
    """A valid document of so many characters without white space."""
    document: Dict[str, object] = {"Statement": {**VALID, "Sid": ""}}
    padding = size - len('{"Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*","Sid":""}}')
    return {**document, "Statement": {**VALID, "Sid": "x" * padding}}


def test_size_limit_is_exact() -> None:
    assert parse(with_size(MAX_SIZE), "readers").statements
    assert "larger than the limit" in error(with_size(MAX_SIZE + 1))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON (Expecting value: line 1 column 1 (char 0))"),
        ("{", "not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ('{"a": 1, "a": 2}', "an object with two members of one name ('a')"),
        ('{"Statement": [{"Effect": "Deny", "Effect": "Allow"}]}', "an object with two members of one name ('Effect')"),
        ("[NaN]", "not JSON (NaN)"),
        ("[-Infinity]", "not JSON (-Infinity)"),
        ("[" * 50_000, "not JSON (too deep, or a number too large)"),
        (" " * 100_000, "larger than the limit (100,000 characters)"),
    ],
)
def test_text_that_is_not_a_document_is_an_error(text: str, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        decode(text, "NAME")
    assert (caught.value.path, caught.value.problem) == ((), problem)


def test_text_of_a_document_is_decoded() -> None:
    assert decode('{"Statement": [1, "é", null]}', "NAME") == {"Statement": [1, "é", None]}


def test_condition_key_may_have_256_characters() -> None:
    condition = {"StringEquals": {"aws:" + "k" * 252: "x"}}
    assert parse({"Statement": {**VALID, "Condition": condition}}, "readers").condition_keys == ("aws:" + "k" * 252,)
