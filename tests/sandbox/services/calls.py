# SPDX-License-Identifier: Apache-2.0
"""Calls of the services, by boto3 or as signed HTTP requests."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Tuple

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from ..fleet import ANSWER, Fleet
from ..fleet_world import REGION

EC2, STS = "Version=2016-11-15", "Version=2011-06-15"
PUSH_TARGET = "AWSEC2InstanceConnectService.SendSSHPublicKey"
LOOKUP_TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"

Answer = Tuple[str, int]
"""The name and the HTTP status of an error."""


def problem(call: Callable[[], Any]) -> Answer:
    """The name and the HTTP status of the error that a call ends with; it has a message and a request id."""
    with pytest.raises(ClientError) as refused:
        call()
    response = refused.value.response
    assert response["Error"]["Message"]
    assert response["ResponseMetadata"]["RequestId"]
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def send(
    world: Fleet,
    service: str,
    body: bytes,
    headers: Optional[Mapping[str, str]] = None,
    who: str = "admin",
    method: str = "POST",
    path: str = "/",
    credentials: Optional[Credentials] = None,
) -> requests.Response:
    """The answer to a request with a valid signature."""
    url = f"{world.sandbox.endpoints['api']}{path}"
    request = AWSRequest(method, url, dict(headers or {}), body)
    SigV4Auth(credentials or world.credentials(who), service, REGION).add_auth(request)
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, data=body, headers=dict(request.headers.items()), timeout=ANSWER)


def form(world: Fleet, service: str, text: str, who: str = "admin") -> requests.Response:
    """The answer to a form with a valid signature."""
    return send(world, service, text.encode(), {"Content-Type": "application/x-www-form-urlencoded"}, who)


def json_call(world: Fleet, target: str, body: bytes, who: str = "admin") -> requests.Response:
    """The answer to a JSON request with a valid signature."""
    service = "cloudtrail" if "CloudTrail" in target else "ec2-instance-connect"
    return send(world, service, body, {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}, who)


def error_of(answer: requests.Response) -> Answer:
    """The name and the status of the error in an answer of any protocol."""
    assert answer.headers["x-amzn-RequestId"]
    if answer.text.startswith("{"):
        return answer.json()["__type"], answer.status_code
    return answer.text.partition("<Code>")[2].partition("</Code>")[0], answer.status_code
