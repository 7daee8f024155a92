# SPDX-License-Identifier: Apache-2.0
"""Requests that are authenticated, but malformed, of another method, or too large."""

from __future__ import annotations

import gzip

import pytest

from ..fleet import Fleet
from .calls import EC2, LOOKUP_TARGET, PUSH_TARGET, STS, error_of, form, json_call, send


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_than_post_do_not_push_a_key(shared_world: Fleet, method: str) -> None:
    answer = send(shared_world, "ec2-instance-connect", b"{}", {"X-Amz-Target": PUSH_TARGET}, method=method)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("service", "text", "error"),
    [
        ("ec2", "", "InvalidAction"),
        ("ec2", "Action=DescribeVpcs", "InvalidAction"),
        ("ec2", f"Action=DescribeVpcs&{STS}", "InvalidAction"),
        ("ec2", f"Action=GetCallerIdentity&{EC2}", "InvalidAction"),
        ("ec2", f"Action=RunInstances&{EC2}", "InvalidAction"),
        ("ec2", f"Action=DescribeVpcs&Action=DescribeVpcs&{EC2}", "InvalidParameterCombination"),
        ("ec2", f"Action=DescribeVpcs&{EC2}&Nonsense=1", "UnknownParameter"),
        ("ec2", f"Action=DescribeVpcs&{EC2}&nonsense", "MalformedQueryString"),
        ("ec2", f"Action=DescribeVpcs&{EC2}&VpcId.1=%ff", "MalformedQueryString"),
        ("ec2", "&".join(f"a{n}=b" for n in range(1001)), "MalformedQueryString"),
        ("sts", f"Action=AssumeRole&{EC2}", "InvalidAction"),
        ("sts", f"Action=DescribeVpcs&{STS}", "InvalidAction"),
        ("sts", f"Action=GetCallerIdentity&{STS}&x=y", "UnknownParameter"),
    ],
)
def test_a_form_that_no_operation_understands_gets_an_error(
    shared_world: Fleet, service: str, text: str, error: str
) -> None:
    assert error_of(form(shared_world, service, text)) == (error, 400)
    event = shared_world.events[-1]
    assert event["errorCode"] == error
    assert event["eventName"]
    assert event["userIdentity"]["userName"] == "admin"


@pytest.mark.parametrize(
    ("target", "body", "error"),
    [
        (PUSH_TARGET, b"", "SerializationException"),
        (PUSH_TARGET, b"\xff\xfe", "SerializationException"),
        (PUSH_TARGET, b"[" * 100_000, "SerializationException"),
        (PUSH_TARGET, b'{"InstanceId": null}', "SerializationException"),
        (PUSH_TARGET + "s", b"{}", "UnknownOperationException"),
        (f"X.{PUSH_TARGET}", b"{}", "UnknownOperationException"),
        (LOOKUP_TARGET, b"5", "SerializationException"),
    ],
)
def test_a_json_body_that_no_operation_understands_gets_an_error(
    shared_world: Fleet, target: str, body: bytes, error: str
) -> None:
    assert error_of(json_call(shared_world, target, body)) == (error, 400)


def test_a_body_of_more_than_256_kib_is_refused_and_is_in_the_trail(shared_world: Fleet) -> None:
    assert form(shared_world, "ec2", "a=" + "b" * (256 * 1024)).status_code == 413
    assert shared_world.events[-1]["errorCode"] == "RequestEntityTooLarge"
    assert shared_world.events[-1]["eventName"] == "Unknown"


@pytest.mark.parametrize(
    "body",
    [b"not gzip", gzip.compress(b"a=b", mtime=0)[:-4], gzip.compress(b"a" * (1 << 24), mtime=0)],
    ids=["other bytes", "its end is missing", "16 MiB"],
)
def test_a_compressed_body_is_no_error_of_the_sandbox(shared_world: Fleet, body: bytes) -> None:
    assert 400 <= send(shared_world, "ec2", body, {"Content-Encoding": "gzip"}).status_code < 500


def test_a_compressed_body_is_not_expanded(shared_world: Fleet) -> None:
    body = gzip.compress(b"a" * (1 << 24), mtime=0)
    answer = send(shared_world, "ec2", body, {"Content-Encoding": "gzip"})
    assert error_of(answer) == ("MalformedQueryString", 400)
