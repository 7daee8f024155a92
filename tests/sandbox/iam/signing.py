# SPDX-License-Identifier: Apache-2.0
"""Requests signed by botocore, the signer of unchanged clients, and what the sandbox makes of them."""

from __future__ import annotations

import dataclasses
from typing import Callable, Iterator, Optional, Sequence, Tuple
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from eic_sandbox.iam import sigv4
from eic_sandbox.iam.sigv4 import HttpRequest, Signature, SignatureError

KEY_ID = "AKIAEXAMPLE000000001"
SECRET = "sandbox/secret+key"
TOKEN = "IQoJb3JpZ2luX2VjEA+/x=="
REGION = "us-west-2"
SERVICE = "ec2-instance-connect"
HOST = "ec2-instance-connect.us-west-2.amazonaws.com"

TUNNEL = (
    "/openTunnel?instanceConnectEndpointId=eice-0123456789abcdef0&remotePort=22&privateIpAddress=10.0.1.5"
    "&maxTunnelDuration=3600"
)

Headers = Sequence[Tuple[str, str]]
Change = Callable[[HttpRequest], HttpRequest]


def in_header(
    method: str = "POST",
    target: str = "/",
    headers: Headers = (),
    body: bytes = b"",
    secret: str = SECRET,
    token: Optional[str] = None,
) -> HttpRequest:
    """A request signed in its Authorization header."""
    return _signed(SigV4Auth(Credentials(KEY_ID, secret, token), SERVICE, REGION), method, target, headers, body)


def in_url(
    target: str = "/openTunnel", headers: Headers = (), token: Optional[str] = None, expires: int = 60
) -> HttpRequest:
    """A presigned request."""
    signer = SigV4QueryAuth(Credentials(KEY_ID, SECRET, token), SERVICE, REGION, expires=expires)
    return _signed(signer, "GET", target, headers, b"")


def _signed(signer: SigV4Auth, method: str, target: str, headers: Headers, body: bytes) -> HttpRequest:
    request = AWSRequest(method, f"https://{HOST}{target}", data=body)
    for name, value in headers:
        request.headers[name] = value  # adds a line
    signer.add_auth(request)
    parts = urlsplit(request.url)
    lines = [("Host", HOST), *((name, str(value)) for name, value in request.headers.items())]
    return HttpRequest(method, parts.path, parts.query, lines, body)


def verify(
    request: HttpRequest, *, secret: str = SECRET, region: str = REGION, service: str = SERVICE, later: float = 0.0
) -> Signature:
    """The signature of a request that arrives `later` seconds after it was signed. Raises SignatureError."""
    signature = sigv4.read(request)
    sigv4.verify(request, signature, secret, now=signature.at + later, regions=(region,), service=service)
    return signature


def accepted(request: HttpRequest) -> bool:
    """Whether the request is one of the owner of KEY_ID."""
    try:
        return verify(request).access_key_id == KEY_ID
    except SignatureError:
        return False


def header(request: HttpRequest, name: str) -> str:
    """The value of the only line of a header."""
    (value,) = (value for other, value in request.headers if other.lower() == name.lower())
    return value


def with_header(request: HttpRequest, name: str, *values: str) -> HttpRequest:
    """The request with these lines in place of the lines of the header; with none it is removed."""
    others = [line for line in request.headers if line[0].lower() != name.lower()]
    return dataclasses.replace(request, headers=[*others, *((name, value) for value in values)])


def with_parameter(request: HttpRequest, name: str, *texts: str) -> HttpRequest:
    """The request with these raw values in place of those of the parameter; with none it is removed."""
    others = [pair for pair in request.query.split("&") if pair.partition("=")[0] != name]
    return dataclasses.replace(request, query="&".join([*others, *(f"{name}={text}" for text in texts)]))


def one_character_changed(text: str) -> Iterator[str]:
    """The text with each of its characters in turn replaced by a letter."""
    for index, character in enumerate(text):
        yield text[:index] + ("Q" if character != "Q" else "R") + text[index + 1 :]


def quoted(text: str) -> str:
    """The text percent-encoded, as clients of AWS do it."""
    return quote(text, safe="-_.~")


class _WithoutExpires(SigV4QueryAuth):  # type: ignore[misc]  # botocore has no types
    def canonical_request(self, request: AWSRequest) -> str:
        request.url = request.url.replace("&X-Amz-Expires=60", "")
        return str(super().canonical_request(request))


def without_expires(target: str) -> HttpRequest:
    """A presigned request without X-Amz-Expires, as another client may send it."""
    signer = _WithoutExpires(Credentials(KEY_ID, SECRET), SERVICE, REGION, expires=60)
    return _signed(signer, "GET", target, (), b"")
