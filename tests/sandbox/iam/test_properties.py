# SPDX-License-Identifier: Apache-2.0
"""Properties of the parser, the matcher and the decision, for inputs that hypothesis chooses."""

from __future__ import annotations

import fnmatch
import json
import re
from typing import Callable, Dict, List

from hypothesis import given, settings
from hypothesis import strategies as st

from eic_sandbox.iam.document import decode
from eic_sandbox.iam.evaluate import evaluate
from eic_sandbox.iam.operators import OPERATORS
from eic_sandbox.iam.patterns import matches, wild
from eic_sandbox.iam.policy import Policy, PolicyError, parse, parse_trust
from eic_sandbox.iam.request import Request

ELEMENTS = ["Version", "Statement", "Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "Condition", "AWS"]
WORDS = st.sampled_from(
    [
        *ELEMENTS,
        *OPERATORS,
        "Allow",
        "Deny",
        "*",
        "ec2:*",
        "sts:AssumeRole",
        "2012-10-17",
        "aws:username",
        "${",
        "${a:b}",
    ]
)
TEXTS = WORDS | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)

KEYS = st.sampled_from(["aws:username", "aws:UserName", "ec2:osuser", "aws:TagKeys"])
VALUES = st.sampled_from(
    ["", "a", "b", "ab", "a*", "?", "1", "2.5", "true", "192.0.2.1", "2025", "arn:aws:iam::1:a", "QQ=="]
)
VARIABLES = st.sampled_from(["${aws:username}", "${aws:TagKeys}x", "${ec2:osuser, 'a'}", "${*}"])
OPERATOR = st.builds(
    lambda prefix, name, suffix: name if name == "Null" else prefix + name + suffix,
    st.sampled_from(["", "ForAnyValue:", "ForAllValues:"]),
    st.sampled_from(sorted(OPERATORS)),
    st.sampled_from(["", "IfExists"]),
)
INSTANCE = "arn:aws:ec2:us-east-1:123456789012:instance/"
STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"])},
    optional={
        "Condition": st.dictionaries(OPERATOR, st.dictionaries(KEYS, VALUES | VARIABLES, min_size=1, max_size=2))
    },
).flatmap(
    lambda base: st.builds(
        lambda action, resource: {**base, action[0]: action[1], resource[0]: resource[1]},
        st.tuples(st.sampled_from(["Action", "NotAction"]), st.sampled_from(["*", "ec2:*", "ec2:Run*", "s3:Get?"])),
        st.tuples(
            st.sampled_from(["Resource", "NotResource"]),
            st.sampled_from(["*", INSTANCE + "*", INSTANCE + "a", INSTANCE + "${aws:username}"]),
        ),
    )
)
REQUESTS = st.builds(
    Request,
    st.sampled_from(["ec2:RunInstances", "s3:GetX", "EC2:describe"]),
    st.sampled_from(["*", INSTANCE + "a", INSTANCE + "b"]),
    st.dictionaries(KEYS, st.lists(VALUES, max_size=3).map(tuple), max_size=3),
)


def policies_of(statements: List[Dict[str, object]]) -> List[Policy]:
    """A policy for each statement; one whose values do not fit its operators is left out."""
    found = []
    for number, statement in enumerate(statements):
        try:
            found.append(parse({"Version": "2012-10-17", "Statement": statement}, str(number)))
        except PolicyError:
            continue
    return found


POLICIES = st.lists(STATEMENTS, max_size=4).map(policies_of)


def problem_of(parsed: Callable[[object, str], object], document: object) -> str:
    """The text of the PolicyError, or the empty text; any other error fails the test."""
    try:
        parsed(document, "NAME")
    except PolicyError as problem:
        return str(problem)
    return ""


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_parse_raises_only_policy_errors(document: object) -> None:
    for parsed in (parse, parse_trust):
        assert problem_of(parsed, document).startswith("NAME: ")
        for placed in (document, {"Effect": "Allow", "Condition": document}):
            assert problem_of(parsed, {"Statement": placed}).isprintable()


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_parse_of_an_element_raises_only_policy_errors(value: object) -> None:
    for element in ("Sid", "Action", "Resource", "Condition"):
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*", element: value}
        assert problem_of(parse, {"Version": "2012-10-17", "Statement": statement}).isprintable()
    trusting = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": value}
    assert problem_of(parse_trust, {"Statement": trusting}).isprintable()


@given(st.text() | JSON.map(json.dumps))
@settings(deadline=None)
def test_decode_raises_only_policy_errors(text: str) -> None:
    def decoded(given: object, name: str) -> object:
        return decode(str(given), name)

    assert problem_of(decoded, text).isprintable()


@given(st.text("ab*?[]!-\n", max_size=8), st.text("ab[]!-\n", max_size=8))
@settings(max_examples=1000, deadline=None)
def test_wildcards_match_as_fnmatch_does_without_its_classes(pattern: str, text: str) -> None:
    translated = fnmatch.translate(pattern.replace("[", "[[]"))
    assert matches(wild(pattern), text) is (re.match(translated, text) is not None)


@given(st.text("ab", max_size=6).flatmap(lambda text: st.tuples(st.just(text), st.text("*", max_size=3))))
def test_runs_inserted_anywhere_still_match(pair: tuple[str, str]) -> None:
    text, runs = pair
    for place in range(len(text) + 1):
        assert matches(wild(text[:place] + runs + text[place:]), text)


@given(POLICIES, POLICIES, REQUESTS)
@settings(max_examples=150, deadline=None)
def test_another_policy_with_only_denials_never_allows(
    policies: List[Policy], more: List[Policy], request: Request
) -> None:
    denials = [policy for policy in more if policy.statements[0].effect.value == "Deny"]
    before, after = evaluate(policies, request), evaluate([*policies, *denials], request)
    assert before.allowed or not after.allowed
    assert after.explicit_deny or not before.explicit_deny


@given(POLICIES, POLICIES, REQUESTS)
@settings(max_examples=150, deadline=None)
def test_another_policy_with_only_allowances_never_denies(
    policies: List[Policy], more: List[Policy], request: Request
) -> None:
    allowances = [policy for policy in more if policy.statements[0].effect.value == "Allow"]
    before, after = evaluate(policies, request), evaluate([*policies, *allowances], request)
    assert after.allowed or not before.allowed
    assert before.explicit_deny is after.explicit_deny


@given(POLICIES.flatmap(lambda policies: st.tuples(st.just(policies), st.permutations(policies))), REQUESTS)
@settings(max_examples=150, deadline=None)
def test_order_of_policies_does_not_change_the_decision(
    orders: tuple[List[Policy], List[Policy]], request: Request
) -> None:
    one, other = (evaluate(order, request) for order in orders)
    assert (one.allowed, one.explicit_deny) == (other.allowed, other.explicit_deny)


@given(STATEMENTS, REQUESTS)
@settings(max_examples=150, deadline=None)
def test_statement_that_applies_as_an_allow_also_applies_as_a_deny(
    statement: Dict[str, object], request: Request
) -> None:
    allow, deny = policies_of([{**statement, "Effect": "Allow"}]), policies_of([{**statement, "Effect": "Deny"}])
    assert evaluate(deny, request).explicit_deny or not evaluate(allow, request).allowed
