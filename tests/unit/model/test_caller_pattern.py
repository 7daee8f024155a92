# SPDX-License-Identifier: Apache-2.0
"""Patterns of callers: which are valid, which callers each means, and what is warned of."""

from __future__ import annotations

import re
from typing import Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eic_sshd.model.caller_pattern import MalformedCaller, parse, parse_caller, traps, wildcard_matches

A = "123456789012"

INVALID = [
    ("", "Use arn:PARTITION"),
    ("*", "Use arn:PARTITION"),
    ("arn:aws:iam::" + A, "Use arn:PARTITION"),
    (f"ARN:aws:iam::{A}:user/a", "Use arn:PARTITION"),
    (f"arn:aws:iam:us-east-1:{A}:user/a", "Use arn:PARTITION"),
    (f"arn:aws:iam:*:{A}:user/a", "Use arn:PARTITION"),
    (f"arn:aws:*::{A}:user/a", "services and resources"),
    (f"arn:aws:ec2::{A}:instance/i-1", "services and resources"),
    (f"arn:aws:sts::{A}:user/a", "services and resources"),
    (f"arn:aws:iam::{A}:assumed-role/a/b", "services and resources"),
    (f"arn:aws:iam::{A}:*", "services and resources"),
    (f"arn:aws:iam::{A}:us?r/a", "services and resources"),
    (f"arn:aws:iam::{A}:group/a", "services and resources"),
    (f"arn:aws:iam::{A}:User/a", "services and resources"),
    (f"arn::iam::{A}:user/a", "Use a partition"),
    (f"arn:AWS:iam::{A}:user/a", "Use a partition"),
    (f"arn:${{os_user}}:iam::{A}:user/a", "Use a partition"),
    ("arn:aws:iam:::user/a", "Use an account"),
    ("arn:aws:iam::12345678901:user/a", "Use an account"),
    ("arn:aws:iam::1234567890123:user/a", "Use an account"),
    ("arn:aws:iam::?:user/a", "Use an account"),
    ("arn:aws:iam::${os_user}:user/a", "Use an account"),
    ("arn:aws:iam::a*:user/a", "Use an account"),
    ("arn:aws:iam::12345678901x:user/a", "Use an account"),
    ("arn:aws:iam::123456789012*:user/a", "Use an account"),
    (f"arn:aws;x:iam::{A}:user/a", "Use a partition"),
    (f"arn:aws:iam::{A}:role", "all of its segments"),
    (f"arn:aws:sts::{A}:federated-user", "all of its segments"),
    (f"arn:aws:iam::{A}:user{'/a' * 65}", "all of its segments"),
    (f"arn:aws:iam::{A}:role{'/a' * 65}", "all of its segments"),
    (f"arn:aws:iam::{A}:user", "all of its segments"),
    (f"arn:aws:iam::{A}:user/", "all of its segments"),
    (f"arn:aws:iam::{A}:user//a", "all of its segments"),
    (f"arn:aws:iam::{A}:root/a", "all of its segments"),
    (f"arn:aws:sts::{A}:assumed-role/a", "all of its segments"),
    (f"arn:aws:sts::{A}:assumed-role/a/", "all of its segments"),
    (f"arn:aws:sts::{A}:assumed-role/a/b/c", "all of its segments"),
    (f"arn:aws:sts::{A}:federated-user/a/b", "all of its segments"),
    (f"arn:aws:iam::{A}:user/${{os_user}}*", "different segments"),
    (f"arn:aws:iam::{A}:user/?${{os_user}}", "different segments"),
    (f"arn:aws:iam::{A}:user/${{OS_USER}}", "no other variable"),
    (f"arn:aws:iam::{A}:user/${{os_user", "no other variable"),
    (f"arn:aws:iam::{A}:user/${{aws:username}}", "no other variable"),
    (f"arn:aws:iam::{A}:user/a b", "visible ASCII"),
    (f"arn:aws:iam::{A}:user/\u00e4", "visible ASCII"),
    (f"arn:aws:iam::{A}:user/".ljust(2049, "a"), "visible ASCII"),
]


@pytest.mark.parametrize("resource", ["user", "role"])
def test_resource_may_have_64_segments_after_its_type(resource: str) -> None:
    assert len(parse(f"arn:aws:iam::{A}:{resource}{'/a' * 64}").segments) == 65


def test_pattern_and_caller_may_have_2048_characters() -> None:
    text = f"arn:aws:iam::{A}:user/".ljust(2048, "a")
    assert parse(text).matches(parse_caller(text), "x")
    with pytest.raises(MalformedCaller):
        parse_caller(f"{text}a")


def test_colon_within_a_resource_separates_nothing() -> None:
    assert parse_caller(f"arn:aws:iam::{A}:user/a:b").segments == ("user", "a:b")


@pytest.mark.parametrize(("text", "sentence"), INVALID)
def test_invalid_pattern_is_refused_with_what_to_write(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        f"arn:aws:iam::{A}:user/a",
        f"arn:aws:iam::{A}:user/path/*/a",
        f"arn:*:iam::{A}:root",
        "arn:aws:iam::*:role/a",
        "arn:aws:iam::1*:role/a",
        f"arn:aws-??:sts::{A}:assumed-role/R/${{os_user}}",
        f"arn:aws:sts::{A}:federated-user/*",
        f"arn:aws:iam::{A}:user/a:b",
    ],
)
def test_valid_pattern_shows_what_was_written(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "arn", "arn:aws:iam::123456789012", f"arn:aws:iam:r:{A}:user/a", "arn:aws:iam::12345678901:user/a",
        "arn:aws:iam::12345678901x:user/a", "arn:aws:iam::1234567890123:user/a",
        f"arn::iam::{A}:user/a", f"arn:aws:::{A}:user/a", f"arn:aws:iam::{A}:",
        f"arn:aws:iam::{A}:user/", f"arn:aws:iam::{A}:user//a", f"arn:aws:iam::{A}:user/\u00e4",
        f"arn:aws:iam::{A}:user/a\n", f" arn:aws:iam::{A}:user/a", f"arn:aws:iam::{A}:user/" + "a" * 2048,
    ],
)  # fmt: skip
def test_text_that_is_no_arn_of_a_caller_is_malformed(text: str) -> None:
    with pytest.raises(MalformedCaller):
        parse_caller(text)


TRAPS = [
    (f"arn:aws:sts::{A}:assumed-role/Ops/*", ()),
    (f"arn:aws:iam::{A}:user/ops/${{os_user}}", ()),
    (f"arn:aws:iam::{A}:user/*", ()),
    (f"arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Dev_????????????????/${{os_user}}@example.com", ()),
    (f"arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/*", ()),
    (f"arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Dev_*/${{os_user}}@example.com", ("SSO role",)),
    (f"arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Dev/*", ("SSO role",)),
    (f"arn:aws:sts::{A}:assumed-role/Ops/${{os_user}}", ("session name",)),
    (f"arn:aws:sts::{A}:assumed-role/Ops/alice", ("session name",)),
    (f"arn:aws:sts::{A}:assumed-role/Ops/a*", ("session name",)),
    (f"arn:aws:sts::{A}:assumed-role/O*/*", ("role is a wildcard",)),
    (f"arn:aws:sts::{A}:assumed-role/O?s/*", ("role is a wildcard",)),
    (f"arn:aws:iam::{A}:role/*", ("role is a wildcard",)),
    (f"arn:aws:iam::{A}:role/Op?", ("role is a wildcard",)),
    (f"arn:aws:iam::{A}:role/path/*", ("role is a wildcard",)),
    (f"arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Dev_????????????????x/*", ("SSO role",)),
    (f"arn:aws:iam::{A}:role/Ops", ()),
    (f"arn:aws:sts::{A}:federated-user/alice", ("GetFederationToken",)),
    ("arn:aws:iam::*:user/a", ("account is a wildcard",)),
    ("arn:aws:iam::12345678901?:user/a", ("account is a wildcard",)),
    (f"arn:aws:iam::{A}:user/${{os_user}}@Example.com", ("upper case",)),
    ("arn:aws:sts::*:assumed-role/*/${os_user}X", ("account", "role is", "session name", "upper case")),
]


@pytest.mark.parametrize(("text", "expected"), TRAPS)
def test_trap_in_a_pattern_is_named(text: str, expected: Tuple[str, ...]) -> None:
    found = traps(parse(text))
    assert len(found) == len(expected)
    assert all(words in sentence for words, sentence in zip(expected, found))


# Against another implementation: a regular expression for the whole ARN.

OS_USER = "${os_user}"


def expression(pattern: str, os_user: str) -> str:
    parts = re.split(r"(\$\{os_user\}|\*|\?)", pattern)
    known = {OS_USER: re.escape(os_user), "*": "[^/:]+", "?": "[^/:]"}
    return "".join(known.get(part, re.escape(part)) for part in parts)


names = st.text(alphabet="ab*?@", min_size=1, max_size=5)
segments = st.one_of(names, st.sampled_from([OS_USER, f"{OS_USER}@b", f"a{OS_USER}"]))
accounts = st.sampled_from([A, "*", "1*", "????????????", "12345678901?", "1*2"])
partitions = st.sampled_from(["aws", "*", "aws-??", "a*"])
resources = st.one_of(
    st.lists(segments, min_size=1, max_size=3).map(lambda found: ("iam", "user/" + "/".join(found))),
    st.lists(segments, min_size=2, max_size=2).map(lambda found: ("sts", "assumed-role/" + "/".join(found))),
    st.just(("iam", "root")),
)
callers = st.builds(
    lambda partition, account, service, resource: f"arn:{partition}:{service}::{account}:{resource}",
    st.sampled_from(["aws", "aws-cn", "a"]),
    st.sampled_from([A, "123456789013", "100000000002"]),
    st.sampled_from(["iam", "sts"]),
    st.one_of(
        st.lists(st.text(alphabet="ab*?@$", max_size=5), max_size=3).map(lambda found: "/".join(["user", *found])),
        st.lists(st.text(alphabet="ab@", max_size=5), max_size=3).map(lambda found: "/".join(["assumed-role", *found])),
        st.just("root"),
    ),
)


@settings(max_examples=600, deadline=None)
@given(partitions, accounts, resources, callers, st.text(alphabet="ab$?", min_size=1, max_size=3))
def test_pattern_means_what_a_regular_expression_means(
    partition: str, account: str, resource: Tuple[str, str], caller: str, os_user: str
) -> None:
    text = f"arn:{partition}:{resource[0]}::{account}:{resource[1]}"
    try:
        pattern = parse(text)
        parsed = parse_caller(caller)
    except ValueError:
        return
    assert pattern.matches(parsed, os_user) == bool(re.fullmatch(expression(text, os_user), caller))


@settings(max_examples=600, deadline=None)
@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="ab*?", max_size=10))
def test_wildcards_mean_what_a_regular_expression_means(pattern: str, text: str) -> None:
    expected = "".join({"*": ".+", "?": "."}.get(one, re.escape(one)) for one in pattern)
    assert wildcard_matches(pattern, text) == bool(re.fullmatch(expected, text))
