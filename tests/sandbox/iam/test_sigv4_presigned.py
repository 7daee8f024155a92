# SPDX-License-Identifier: Apache-2.0
"""Presigned URLs, as botocore makes them: the AWS CLI's URL of a tunnel."""

from __future__ import annotations

import dataclasses
from typing import Dict, List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eic_sandbox.iam import sigv4
from eic_sandbox.iam.sigv4 import HttpRequest, Problem, SignatureError, query_pairs

from . import signing
from .signing import TUNNEL, accepted, in_url, one_character_changed, verify, with_header, with_parameter
from .strategies import paths, target, tokens, untidy_paths, values

names = st.text(st.sampled_from("abc Ä&=%+/;"), min_size=1, max_size=4)
parameters = st.dictionaries(names, values, max_size=5)


def test_the_url_of_a_tunnel_is_verified_as_the_aws_cli_sends_it() -> None:
    request = in_url(TUNNEL, token=signing.TOKEN)
    assert [name for name, _ in query_pairs(request.query)] == [
        "instanceConnectEndpointId",
        "remotePort",
        "privateIpAddress",
        "maxTunnelDuration",
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
    ]
    signature = verify(request)
    assert signature.session_token == signing.TOKEN
    assert (signature.presigned, signature.expires, signature.signed_headers) == (True, 60, ("host",))


def test_the_headers_of_a_websocket_handshake_need_no_signature() -> None:
    request = in_url(TUNNEL)
    for name, value in (("Upgrade", "websocket"), ("Sec-WebSocket-Key", "x"), ("User-Agent", "any")):
        request = with_header(request, name, value)
    assert accepted(request)


def test_the_order_of_the_parameters_as_sent_does_not_count() -> None:
    request = in_url(TUNNEL)
    pairs = request.query.split("&")
    for order in (sorted(pairs), sorted(pairs, reverse=True)):
        assert accepted(dataclasses.replace(request, query="&".join(order)))


@given(untidy_paths, parameters, tokens, st.integers(1, 604800))
def test_what_botocore_presigns_is_verified(
    path: str, members: Dict[str, str], token: Optional[str], expires: int
) -> None:
    query = "&".join(f"{signing.quoted(name)}={signing.quoted(value)}" for name, value in members.items())
    request = in_url(target(path, query), token=token, expires=expires)
    signature = verify(request, later=expires)
    assert (signature.access_key_id, signature.session_token, signature.expires) == (signing.KEY_ID, token, expires)
    sent = query_pairs(request.query)
    assert [pair for pair in sent if not pair[0].startswith("X-Amz-")] == list(members.items())


@given(paths, st.lists(st.tuples(st.sampled_from(["X-Amz-Meta", "Accept"]), values), max_size=3))
def test_headers_that_botocore_signs_in_a_url_are_verified(path: str, lines: List[Tuple[str, str]]) -> None:
    request = in_url(path, lines)
    assert verify(request).signed_headers == tuple(sorted({"host", *(name.lower() for name, _ in lines)}))


def test_each_changed_character_of_the_url_is_refused() -> None:
    request = in_url(TUNNEL, token=signing.TOKEN)
    assert accepted(request)
    for query in one_character_changed(request.query):
        assert not accepted(dataclasses.replace(request, query=query)), query
    for path in one_character_changed(request.path):
        assert not accepted(dataclasses.replace(request, path=path)), path


@pytest.mark.parametrize(
    "changed",
    [
        lambda request: with_header(request, "Host", "other.example"),
        lambda request: with_parameter(request, "maxTunnelDuration"),
        lambda request: with_parameter(request, "maxTunnelDuration", ""),
        lambda request: with_parameter(request, "privateIpAddress", "10.0.1.6"),
        lambda request: with_parameter(request, "other", "added"),
        lambda request: with_parameter(request, "X-Amz-Expires", "3600"),
        lambda request: with_parameter(request, "X-Amz-Expires"),
        lambda request: with_parameter(request, "X-Amz-Security-Token"),
        lambda request: with_parameter(request, "X-Amz-Security-Token", "other"),
        lambda request: dataclasses.replace(request, body=b"added"),
        lambda request: dataclasses.replace(request, method="POST"),
        lambda request: dataclasses.replace(request, query=request.query.replace("%2F", "/")),
        lambda request: dataclasses.replace(request, query=request.query.replace("%2F", "%2f")),
        lambda request: dataclasses.replace(request, query=f"{request.query}&"),
    ],
)
def test_a_changed_url_is_a_mismatch(changed: signing.Change) -> None:
    request = in_url(TUNNEL, token=signing.TOKEN)
    with pytest.raises(SignatureError) as refused:
        verify(changed(request))
    assert refused.value.problem is Problem.MISMATCH


def test_a_session_token_that_was_added_after_signing_is_refused() -> None:
    """Some services of AWS take it so; here the token is always signed."""
    with pytest.raises(SignatureError) as refused:
        verify(with_parameter(in_url(TUNNEL), "X-Amz-Security-Token", "added"))
    assert refused.value.problem is Problem.MISMATCH


def test_a_plus_sign_is_not_a_blank() -> None:
    request = in_url("/openTunnel?name=a%20b")
    assert accepted(request)
    assert not accepted(dataclasses.replace(request, query=request.query.replace("%20", "+")))
    assert query_pairs("name=a+b&a%2Bb=%20") == (("name", "a+b"), ("a+b", " "))


@pytest.mark.parametrize(
    ("expires", "later", "problem"),
    [
        (60, 60.0, None),
        (60, 60.5, Problem.EXPIRED),
        (604800, 604800.0, None),
        (604800, 604801.0, Problem.EXPIRED),
        (60, -900.0, None),
        (60, -900.5, Problem.NOT_YET_VALID),
    ],
)
def test_a_url_is_valid_until_it_expires(expires: int, later: float, problem: Optional[Problem]) -> None:
    request = in_url(TUNNEL, expires=expires)
    if problem is None:
        verify(request, later=later)
        return
    with pytest.raises(SignatureError) as refused:
        verify(request, later=later)
    assert refused.value.problem is problem


@pytest.mark.parametrize(("later", "valid"), [(60.0, True), (60.5, False)])
def test_a_url_without_expires_is_valid_for_60_seconds(later: float, valid: bool) -> None:
    request = signing.without_expires(TUNNEL)
    assert "X-Amz-Expires" not in request.query
    if valid:
        assert verify(request, later=later).expires == sigv4.DEFAULT_EXPIRES
        return
    with pytest.raises(SignatureError) as refused:
        verify(request, later=later)
    assert refused.value.problem is Problem.EXPIRED


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        ("", ()),
        ("a", (("a", ""),)),
        ("a=", (("a", ""),)),
        ("=", (("", ""),)),
        ("a=b=c", (("a", "b=c"),)),
        ("b=1&a=2&b=1", (("b", "1"), ("a", "2"), ("b", "1"))),
        ("a;b=1", (("a;b", "1"),)),
        ("a&&b", (("a", ""), ("", ""), ("b", ""))),
        ("%41=%C3%A9%00", (("A", "é\0"),)),
        ("&".join("a" * 256), (("a", ""),) * 256),
    ],
)
def test_a_query_is_decoded_pair_by_pair(raw: str, pairs: Tuple[Tuple[str, str], ...]) -> None:
    assert query_pairs(raw) == pairs


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("a=%", Problem.MALFORMED),
        ("a=%4", Problem.MALFORMED),
        ("a=%G0", Problem.MALFORMED),
        ("a=%+1", Problem.MALFORMED),
        ("a=%٤٤", Problem.MALFORMED),
        ("%zz=a", Problem.MALFORMED),
        ("a=%FF", Problem.MALFORMED),
        ("a=%C0%AF", Problem.MALFORMED),
        ("a=%ED%A0%80", Problem.MALFORMED),
        ("%C3=%A9", Problem.MALFORMED),
        ("a=é", Problem.MALFORMED),
        ("a=b c", Problem.MALFORMED),
        ("a=b#c", Problem.MALFORMED),
        ("a=\0", Problem.MALFORMED),
        ("a=b\n", Problem.MALFORMED),
        ("a=b\r\nx-amz-date:1", Problem.MALFORMED),
        ("a" * 16385, Problem.TOO_LARGE),
        ("&" * 256, Problem.TOO_LARGE),
    ],
)
def test_a_query_that_is_not_percent_encoded_utf_8_is_refused(raw: str, problem: Problem) -> None:
    with pytest.raises(SignatureError) as refused:
        query_pairs(raw)
    assert refused.value.problem is problem
    with pytest.raises(SignatureError) as unread:
        sigv4.read(HttpRequest("GET", "/", raw, [("Host", signing.HOST)], b""))
    assert unread.value.problem is problem
