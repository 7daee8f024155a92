# SPDX-License-Identifier: Apache-2.0
"""Signatures in Authorization headers, as botocore makes them."""

from __future__ import annotations

import dataclasses
from typing import List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eic_sandbox.iam import sigv4
from eic_sandbox.iam.sigv4 import HttpRequest, Problem, SignatureError

from . import signing
from .signing import accepted, header, in_header, one_character_changed, verify, with_header
from .strategies import headers, names, paths, queries, secrets, target, tokens, untidy_paths, values


@given(st.sampled_from(["GET", "POST", "PUT", "DELETE"]), untidy_paths, queries, headers, st.binary(), secrets, tokens)
def test_what_botocore_signs_in_a_header_is_verified(
    method: str,
    path: str,
    query: str,
    lines: List[Tuple[str, str]],
    body: bytes,
    secret: str,
    token: Optional[str],
) -> None:
    request = in_header(method, target(path, query), lines, body, secret, token)
    signature = verify(request, secret=secret)
    assert signature.access_key_id == signing.KEY_ID
    assert signature.session_token == token
    assert (signature.region, signature.service) == (signing.REGION, signing.SERVICE)
    assert (signature.presigned, signature.expires) == (False, None)


@given(paths, queries, st.data())
def test_one_changed_character_of_path_or_query_is_refused(path: str, query: str, data: st.DataObject) -> None:
    request = in_header("POST", target(path, query))
    changed = [dataclasses.replace(request, path=path) for path in one_character_changed(request.path)]
    changed += [dataclasses.replace(request, query=query) for query in one_character_changed(request.query)]
    assert not accepted(data.draw(st.sampled_from(changed)))


@given(names, values.filter(bool), tokens, st.data())
def test_one_changed_character_of_a_signed_header_is_refused(
    name: str, value: str, token: Optional[str], data: st.DataObject
) -> None:
    request = in_header(headers=[(name, value)], token=token)
    for signed in sigv4.read(request).signed_headers:
        changed = data.draw(st.sampled_from(list(one_character_changed(header(request, signed)))))
        assert not accepted(with_header(request, signed, changed)), signed


@given(st.binary(min_size=1), st.data())
def test_one_changed_bit_of_the_body_is_refused(body: bytes, data: st.DataObject) -> None:
    request = in_header(body=body)
    index = data.draw(st.integers(0, len(body) - 1))
    changed = bytes([body[index] ^ (1 << data.draw(st.integers(0, 7)))])
    assert not accepted(dataclasses.replace(request, body=body[:index] + changed + body[index + 1 :]))
    assert not accepted(dataclasses.replace(request, body=b""))


@given(secrets, secrets)
def test_another_secret_is_refused(one: str, other: str) -> None:
    request = in_header(secret=one)
    if one != other:
        with pytest.raises(SignatureError) as refused:
            verify(request, secret=other)
        assert refused.value.problem is Problem.MISMATCH


def test_each_changed_character_of_the_authorization_header_is_refused() -> None:
    request = in_header(headers=[("Content-Type", "application/x-amz-json-1.1")], token=signing.TOKEN)
    assert accepted(request)
    for changed in one_character_changed(header(request, "Authorization")):
        assert not accepted(with_header(request, "Authorization", changed)), changed


def test_each_changed_digit_of_the_signature_is_a_mismatch() -> None:
    request = in_header()
    value = header(request, "Authorization")
    for index in range(len(value) - 64, len(value)):
        changed = value[:index] + ("0" if value[index] != "0" else "1") + value[index + 1 :]
        with pytest.raises(SignatureError) as refused:
            verify(with_header(request, "Authorization", changed))
        assert refused.value.problem is Problem.MISMATCH


@pytest.mark.parametrize("method", ["GET", "post", "POSt", "PUT"])
def test_another_method_is_refused(method: str) -> None:
    assert not accepted(dataclasses.replace(in_header("POST"), method=method))


def test_a_removed_or_added_line_of_a_signed_header_is_refused() -> None:
    request = in_header(headers=[("X-Amz-Meta", "a"), ("X-Amz-Meta", "b")])
    assert accepted(request)
    for lines in (["a"], ["b", "a"], ["a", "b", "c"], []):
        assert not accepted(with_header(request, "X-Amz-Meta", *lines))


@pytest.mark.parametrize("sent", ["a  b", " a b\t", "a \t b"])
def test_blanks_in_a_header_do_not_count(sent: str) -> None:
    assert accepted(with_header(in_header(headers=[("X-Amz-Meta", "a b")]), "x-amz-meta", sent))


def test_a_header_that_is_not_utf_8_is_verified_by_its_bytes() -> None:
    """aiohttp decodes such bytes to surrogates."""
    request = in_header(headers=[("X-Amz-Meta", "é")])
    assert accepted(with_header(request, "X-Amz-Meta", "é".encode().decode("ascii", "surrogateescape")))
    assert not accepted(with_header(request, "X-Amz-Meta", "é".encode("latin-1").decode("ascii", "surrogateescape")))


@pytest.mark.parametrize(
    ("region", "service", "message"),
    [
        ("us-west-1", signing.SERVICE, "Credential should be scoped to a valid region."),
        ("US-WEST-2", signing.SERVICE, "Credential should be scoped to a valid region."),
        ("us-west-22", signing.SERVICE, "Credential should be scoped to a valid region."),
        (signing.REGION, "ec2", "Credential should be scoped to correct service: 'ec2'."),
    ],
)
def test_another_scope_is_refused(region: str, service: str, message: str) -> None:
    with pytest.raises(SignatureError) as refused:
        verify(in_header(), region=region, service=service)
    assert (refused.value.problem, refused.value.message) == (Problem.WRONG_SCOPE, message)


def test_one_of_several_regions_is_accepted() -> None:
    request = in_header()
    signature = sigv4.read(request)
    now, service = signature.at, signing.SERVICE
    both = {"eu-west-1", signing.REGION}
    sigv4.verify(request, signature, signing.SECRET, now=now, regions=both, service=service)
    with pytest.raises(SignatureError):
        sigv4.verify(request, signature, signing.SECRET, now=now, regions=["eu-west-1"], service=service)


@pytest.mark.parametrize(
    ("later", "problem"),
    [(900.0, None), (900.5, Problem.EXPIRED), (-900.0, None), (-900.5, Problem.NOT_YET_VALID), (1e8, Problem.EXPIRED)],
)
def test_the_clocks_may_differ_by_15_minutes(later: float, problem: Optional[Problem]) -> None:
    if problem is None:
        verify(in_header(), later=later)
        return
    with pytest.raises(SignatureError) as refused:
        verify(in_header(), later=later)
    assert refused.value.problem is problem


# The example of the IAM User Guide, "Create a signed AWS API request": its time, secret and signature are published.
PUBLISHED = HttpRequest(
    "GET",
    "/",
    "Action=ListUsers&Version=2010-05-08",
    [
        ("Host", "iam.amazonaws.com"),
        ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("X-Amz-Date", "20150830T123600Z"),
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
    b"",
)


def test_the_published_example_is_verified_and_its_expiry_is_explained() -> None:
    signature = sigv4.read(PUBLISHED)
    assert signature.at == 1440938160.0
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    sigv4.verify(PUBLISHED, signature, secret, now=1440938160.0, regions=("us-east-1",), service="iam")
    with pytest.raises(SignatureError) as late:
        sigv4.verify(PUBLISHED, signature, secret, now=1440939061.0, regions=("us-east-1",), service="iam")
    assert late.value.message == (
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"
    )
    with pytest.raises(SignatureError) as early:
        sigv4.verify(PUBLISHED, signature, secret, now=1440937259.0, regions=("us-east-1",), service="iam")
    assert early.value.message == (
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)"
    )
