# SPDX-License-Identifier: Apache-2.0
"""Requests that are not authenticated, each with the error that its service has for it; and malformed ones."""

from __future__ import annotations

import datetime
from typing import Callable, Dict, Tuple

import pytest
import requests
from botocore import auth
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ..fleet import ANSWER, Fleet
from ..fleet_world import REGION
from .calls import EC2, LOOKUP_TARGET, PUSH_TARGET, STS, Answer, error_of, send

# The request of each service, and the signing name of the service.
REQUESTS: Dict[str, Tuple[str, bytes, Dict[str, str]]] = {
    "ec2": ("ec2", f"Action=DescribeVpcs&{EC2}".encode(), {"Content-Type": "application/x-www-form-urlencoded"}),
    "sts": ("sts", f"Action=GetCallerIdentity&{STS}".encode(), {"Content-Type": "application/x-www-form-urlencoded"}),
    "push": ("ec2-instance-connect", b"{}", {"X-Amz-Target": PUSH_TARGET}),
    "lookup": ("cloudtrail", b"{}", {"X-Amz-Target": LOOKUP_TARGET}),
}
JSON_ERRORS = {
    "unsigned": ("MissingAuthenticationTokenException", 400),
    "incomplete": ("IncompleteSignatureException", 400),
    "wrong secret": ("InvalidSignatureException", 400),
    "unknown key": ("UnrecognizedClientException", 400),
    "a token that the key does not have": ("UnrecognizedClientException", 400),
    "no token": ("UnrecognizedClientException", 400),
    "another token": ("UnrecognizedClientException", 400),
    "expired session": ("ExpiredTokenException", 400),
    "wrong region": ("InvalidSignatureException", 400),
    "wrong service": ("InvalidSignatureException", 400),
    "old": ("InvalidSignatureException", 400),
    "from the future": ("InvalidSignatureException", 400),
    "changed body": ("InvalidSignatureException", 400),
    "two signatures": ("IncompleteSignatureException", 400),
}
ERRORS: Dict[str, Dict[str, Answer]] = {
    "push": JSON_ERRORS,
    "lookup": JSON_ERRORS,
    "ec2": {
        **dict.fromkeys(JSON_ERRORS, ("AuthFailure", 401)),
        "unsigned": ("MissingAuthenticationToken", 403),
        "incomplete": ("IncompleteSignature", 400),
        "two signatures": ("IncompleteSignature", 400),
        "expired session": ("RequestExpired", 400),
        "old": ("RequestExpired", 400),
        "from the future": ("RequestExpired", 400),
    },
    "sts": {
        **dict.fromkeys(JSON_ERRORS, ("SignatureDoesNotMatch", 403)),
        "unsigned": ("MissingAuthenticationToken", 403),
        "incomplete": ("IncompleteSignature", 400),
        "two signatures": ("IncompleteSignature", 400),
        "unknown key": ("InvalidClientTokenId", 403),
        "a token that the key does not have": ("InvalidClientTokenId", 403),
        "no token": ("InvalidClientTokenId", 403),
        "another token": ("InvalidClientTokenId", 403),
        "expired session": ("ExpiredToken", 403),
    },
}


class _At(SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Signs for another time."""

    def __init__(self, credentials: Credentials, service: str, region: str, ahead: float) -> None:
        super().__init__(credentials, service, region)
        self._ahead = datetime.timedelta(seconds=ahead)

    def add_auth(self, request: AWSRequest) -> None:
        at = datetime.datetime.now(datetime.timezone.utc) + self._ahead
        request.context["timestamp"] = at.strftime(auth.SIGV4_TIMESTAMP)
        self._modify_request_before_signing(request)
        string = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(string, request))


def signed(
    world: Fleet,
    service: str,
    *,
    credentials: Credentials = None,
    region: str = REGION,
    name: str = "",
    ahead: float = 0,
    change: Callable[[AWSRequest], None] = lambda _: None,
) -> Answer:
    """The error of a request to a service; `change` is made after it was signed."""
    signing_name, body, headers = REQUESTS[service]
    request = AWSRequest("POST", f"{world.sandbox.endpoints['api']}/", dict(headers), body)
    signer = _At(credentials or world.credentials("admin"), name or signing_name, region, ahead)
    signer.add_auth(request)
    change(request)
    with requests.Session() as session:
        session.trust_env = False
        found = dict(request.headers.items())
        return error_of(session.post(request.url, data=request.data, headers=found, timeout=ANSWER))


def session_of(world: Fleet) -> Credentials:
    """Credentials of a session that ends in 15 minutes."""
    world.attach("Operators", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    found = world.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/Operators", RoleSessionName="test", DurationSeconds=900
    )["Credentials"]
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def _unsigned(request: AWSRequest) -> None:
    del request.headers["Authorization"]


def _incomplete(request: AWSRequest) -> None:
    request.headers.replace_header("Authorization", request.headers["Authorization"].replace("Signature=", "Sig="))


def _other_body(request: AWSRequest) -> None:
    request.data = request.data + b" "


def _also_presigned(request: AWSRequest) -> None:
    request.url += "?X-Amz-Signature=" + "0" * 64


def _attempt(world: Fleet, service: str, kind: str) -> Answer:
    mine = world.credentials("admin")
    changes = {"unsigned": _unsigned, "incomplete": _incomplete, "changed body": _other_body}
    changes["two signatures"] = _also_presigned
    if kind in changes:
        return signed(world, service, change=changes[kind])
    options: Dict[str, object] = {
        "wrong secret": {"credentials": Credentials(mine.access_key, "wrong")},
        "unknown key": {"credentials": Credentials("AKIANOBODY0000000000", mine.secret_key)},
        "a token that the key does not have": {"credentials": Credentials(mine.access_key, mine.secret_key, "token")},
        "wrong region": {"region": "eu-central-1"},
        "wrong service": {"name": "s3"},
        "old": {"ahead": -901},
        "from the future": {"ahead": 960},
    }
    if kind not in options:
        of_session = session_of(world)
        token = {"no token": None, "another token": "other"}.get(kind, of_session.token)
        if kind == "expired session":
            world.clock.ahead = 905
        used = Credentials(of_session.access_key, of_session.secret_key, token)
        return signed(world, service, credentials=used, ahead=world.clock.ahead)
    return signed(world, service, **options[kind])  # type: ignore[arg-type] # one of the above


@pytest.mark.parametrize("service", REQUESTS)
@pytest.mark.parametrize("kind", JSON_ERRORS)
def test_a_request_that_is_not_authenticated_gets_the_error_of_its_service(
    shared_world: Fleet, service: str, kind: str
) -> None:
    try:
        assert _attempt(shared_world, service, kind) == ERRORS[service][kind]
    finally:
        shared_world.clock.ahead = 0
    event = shared_world.events[-1]
    assert event["errorCode"] == ERRORS[service][kind][0]
    assert event["userIdentity"]["type"] == "Unknown"
    assert event["requestParameters"] is None
    assert event["responseElements"] is None
    assert event["eventName"] in ("DescribeVpcs", "GetCallerIdentity", "SendSSHPublicKey", "LookupEvents")


def test_a_session_is_valid_until_it_expires(shared_world: Fleet) -> None:
    of_session = session_of(shared_world)
    try:
        for ahead, found in ((0, ""), (600, ""), (901, "ExpiredToken")):
            shared_world.clock.ahead = ahead
            assert signed(shared_world, "sts", credentials=of_session, ahead=ahead)[0] == found
    finally:
        shared_world.clock.ahead = 0


def test_a_header_that_names_another_address_does_not_change_the_source_of_a_request(shared_world: Fleet) -> None:
    condition = {"IpAddress": {"aws:SourceIp": "192.0.2.7"}}
    shared_world.attach(
        "alice", {"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*", "Condition": condition}
    )
    headers = {"X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.7", "X-Real-IP": "192.0.2.7"}
    body = f"Action=DescribeVpcs&{EC2}".encode()
    answer = send(shared_world, "ec2", body, headers, "alice")
    assert error_of(answer) == ("UnauthorizedOperation", 403)


def test_a_presigned_url_of_get_caller_identity_says_who_signed_it(shared_world: Fleet) -> None:
    request = AWSRequest("GET", f"{shared_world.sandbox.endpoints['api']}/?Action=GetCallerIdentity&{STS}")
    SigV4QueryAuth(shared_world.credentials("bob"), "sts", REGION, expires=60).add_auth(request)
    answer = requests.get(request.url, timeout=ANSWER)
    assert "arn:aws:iam::123456789012:user/bob" in answer.text
    refused = requests.get(request.url.replace("GetCaller", "getCaller"), timeout=ANSWER)
    assert error_of(refused) == ("SignatureDoesNotMatch", 403)
    assert error_of(requests.post(request.url, timeout=ANSWER)) == ("SignatureDoesNotMatch", 403)
