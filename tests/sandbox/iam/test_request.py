# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from eic_sandbox.iam.request import Request, context


def test_context_takes_texts_and_sequences_of_texts() -> None:
    made = context({"aws:SourceIp": "192.0.2.1", "aws:TagKeys": ("a", "b"), "x:y": ["c"]})
    assert made == {"aws:sourceip": ("192.0.2.1",), "aws:tagkeys": ("a", "b"), "x:y": ("c",)}


def test_key_without_values_is_absent() -> None:
    assert context({"aws:TagKeys": ()}) == {}


def test_keys_that_differ_in_case_only_are_one_key() -> None:
    assert context({"aws:ResourceTag/Team": "a", "aws:ResourceTag/team": "b"}) == {"aws:resourcetag/team": ("a", "b")}


def test_value_that_is_not_a_text_is_an_error() -> None:
    with pytest.raises(TypeError, match="aws:SourceIp: a value is not a string"):
        context({"aws:SourceIp": [22]})  # type: ignore[list-item]


def test_request_finds_keys_of_a_context_in_any_case() -> None:
    assert Request("x:y", "*", {"aws:SourceIp": ("192.0.2.1",)}).context["aws:sourceip"] == ("192.0.2.1",)


def test_context_of_a_request_does_not_change_with_the_mapping_that_it_was_made_of() -> None:
    given = {"aws:SourceIp": ("192.0.2.1",)}
    made = Request("x:y", "*", given)
    given["aws:SourceIp"] = ("198.51.100.1",)
    assert made.context == {"aws:sourceip": ("192.0.2.1",)}
