# SPDX-License-Identifier: Apache-2.0
"""Requests that are malformed, ambiguous or signed in another way, each with its problem; most are attacks."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Callable, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eic_sandbox.iam import sigv4
from eic_sandbox.iam.sigv4 import HttpRequest, Problem, SignatureError

from . import signing
from .refused import EMPTY, IN_HEADER, IN_URL
from .signing import TUNNEL, Change, header, in_header, in_url, verify, with_header, with_parameter

NOW = 1440938160.0


def problem_of(request: HttpRequest) -> Problem:
    with pytest.raises(SignatureError) as refused:
        verify(request)
    assert refused.value.message.isascii()
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 1000
    return refused.value.problem


@pytest.mark.parametrize(("change", "problem"), IN_HEADER)
def test_a_changed_request_with_an_authorization_header_is_refused(change: Change, problem: Problem) -> None:
    assert problem_of(change(in_header())) is problem


@pytest.mark.parametrize(("change", "problem"), IN_URL)
def test_a_changed_presigned_request_is_refused(change: Change, problem: Problem) -> None:
    assert problem_of(change(in_url(TUNNEL))) is problem


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ([("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")], Problem.UNSUPPORTED),
        ([("X-Amz-Content-SHA256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")], Problem.UNSUPPORTED),
        ([("X-Amz-Content-SHA256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")], Problem.UNSUPPORTED),
        ([("X-Amz-Content-SHA256", "")], Problem.UNSUPPORTED),
        ([("X-Amz-Content-SHA256", EMPTY)], Problem.MISMATCH),
        ([("X-Amz-Content-SHA256", EMPTY + "0")], Problem.UNSUPPORTED),
        ([("X-Amz-Content-SHA256", hashlib.sha256(b"body").hexdigest().upper())], Problem.UNSUPPORTED),
        ([("Content-Encoding", "gzip, AWS-chunked")], Problem.UNSUPPORTED),
    ],
)
def test_a_body_that_is_not_signed_as_a_whole_is_refused(headers: signing.Headers, problem: Problem) -> None:
    """botocore signs whatever hash the header declares; so these signatures are right for its canonical request."""
    assert problem_of(in_header(headers=headers, body=b"body")) is problem


@pytest.mark.parametrize("query", ["X-Amz-Content-Sha256=" + "0" * 64, "x-amz-content-sha256=" + "0" * 64])
def test_another_hash_of_the_body_in_the_query_is_refused_although_it_is_signed(query: str) -> None:
    for request in (in_header("POST", f"/?{query}", body=b"body"), in_url(f"/?{query}")):
        with pytest.raises(SignatureError) as refused:
            verify(request)
        assert refused.value.message == "X-Amz-Content-SHA256 does not match what was computed."


def test_a_compressed_body_is_accepted() -> None:
    assert verify(in_header(headers=[("Content-Encoding", "gzip")], body=b"body"))


def test_a_body_whose_declared_hash_is_right_is_accepted() -> None:
    assert verify(in_header(headers=[("X-Amz-Content-SHA256", hashlib.sha256(b"body").hexdigest())], body=b"body"))


def test_a_substituted_body_is_refused_although_its_declared_hash_is_signed() -> None:
    request = in_header(headers=[("X-Amz-Content-SHA256", hashlib.sha256(b"body").hexdigest())], body=b"body")
    assert problem_of(dataclasses.replace(request, body=b"other")) is Problem.MISMATCH


def test_a_signature_of_the_header_is_not_accepted_in_the_url() -> None:
    """The canonical requests of the two forms differ."""
    request = in_header("GET", TUNNEL)
    signature = sigv4.read(request)
    moved = in_url(TUNNEL)
    moved = with_parameter(moved, "X-Amz-Signature", signature.signature)
    assert problem_of(moved) is Problem.MISMATCH


@pytest.mark.parametrize("name", ["a", "Host", "X-Amz-Date"])
def test_a_refusal_repeats_no_more_than_the_start_of_a_value(name: str) -> None:
    request = in_header()
    with pytest.raises(SignatureError) as refused:
        sigv4.read(with_header(request, "Authorization", name * 10000))
    assert len(refused.value.message) < 200


@given(
    st.text(max_size=8),
    st.text(max_size=40).map("/".__add__) | st.text(),
    st.text() | st.text(st.sampled_from("%&=X-Amz-SignatureDate0"), max_size=80),
    st.lists(
        st.tuples(st.sampled_from(["Host", "Authorization", "X-Amz-Date"]) | st.text(max_size=5), st.text()), max_size=5
    ),
    st.binary(max_size=5),
)
def test_a_random_request_is_refused(method: str, path: str, raw: str, headers: signing.Headers, body: bytes) -> None:
    with pytest.raises(SignatureError):
        sigv4.read(HttpRequest(method, path, raw, headers, body))


@given(st.text(st.sampled_from("AWS4-HMAC-SHA256 Credential=/,;Signed"), max_size=120))
def test_a_random_authorization_header_is_refused(text: str) -> None:
    with pytest.raises(SignatureError):
        sigv4.read(with_header(in_header(), "Authorization", f"AWS4-HMAC-SHA256 {text}".replace("\n", "")))


@pytest.mark.parametrize(("year", "problem"), [("0001", Problem.EXPIRED), ("9999", Problem.NOT_YET_VALID)])
def test_times_at_the_ends_of_the_calendar_are_refused(year: str, problem: Problem) -> None:
    request = in_header()
    value = header(request, "Authorization")
    date = sigv4.read(request).date
    request = with_header(request, "Authorization", value.replace(f"/{date}/", f"/{year}1231/"))
    request = with_header(request, "X-Amz-Date", f"{year}1231T235959Z")
    with pytest.raises(SignatureError) as refused:
        sigv4.verify(
            request, sigv4.read(request), signing.SECRET, now=NOW, regions=(signing.REGION,), service=signing.SERVICE
        )
    assert refused.value.problem is problem


def test_values_at_their_limits_are_read() -> None:
    names = [f"x-{number:02}" for number in range(62)]
    request = in_header(headers=[(name, "a") for name in names])
    assert len(verify(request).signed_headers) == 64
    for key_id in ("A", "A" * 128):
        value = header(request, "Authorization").replace(signing.KEY_ID, key_id)
        assert sigv4.read(with_header(request, "Authorization", value)).access_key_id == key_id


LIMITS: List[Tuple[Callable[[HttpRequest, int], HttpRequest], int, Problem]] = [
    (lambda request, size: dataclasses.replace(request, path="/" + "a" * (size - 1)), 8192, Problem.TOO_LARGE),
    (lambda request, size: dataclasses.replace(request, query="a" * size), 16384, Problem.TOO_LARGE),
    (lambda request, size: dataclasses.replace(request, query="&" * (size - 1)), 256, Problem.TOO_LARGE),
    (lambda request, size: dataclasses.replace(request, method="M" * size), 32, Problem.MALFORMED),
    (lambda request, size: with_header(request, "a" * size, "b"), 256, Problem.MALFORMED),
    (
        lambda request, size: with_header(request, "X", "a" * (size - 1 - sum(map(len, sum(request.headers, ()))))),
        65536,
        Problem.TOO_LARGE,
    ),
    (lambda request, size: with_header(request, "X", *[""] * (size - len(request.headers))), 256, Problem.TOO_LARGE),
]


@pytest.mark.parametrize(("made", "limit", "problem"), LIMITS)
def test_a_request_is_read_up_to_a_limit(
    made: Callable[[HttpRequest, int], HttpRequest], limit: int, problem: Problem
) -> None:
    assert sigv4.read(made(in_header(), limit)).access_key_id == signing.KEY_ID
    with pytest.raises(SignatureError) as refused:
        sigv4.read(made(in_header(), limit + 1))
    assert refused.value.problem is problem
    assert str(refused.value) == refused.value.message


def test_methods_and_headers_with_a_name_of_one_character_are_accepted() -> None:
    assert verify(in_header("M", headers=[("a", "b")])).signed_headers == ("a", "host", "x-amz-date")


@pytest.mark.parametrize("query", ["X-Amz-Other=1", "X-Amz-Content-Sha256=" + EMPTY, "Authorization=1&Host=2"])
def test_other_parameters_beside_an_authorization_header_are_accepted(query: str) -> None:
    assert not verify(in_header("GET", f"/?{query}")).presigned
