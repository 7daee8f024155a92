# SPDX-License-Identifier: Apache-2.0
"""Handshakes as no client of AWS sends them: HTTP requests to the endpoint with any method, headers and body."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
from typing import Dict, List, Optional, Sequence, Tuple

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from ..fleet import ANSWER, Fleet
from ..fleet_world import REGION

Headers = Sequence[Tuple[str, str]]
UPGRADE: List[Tuple[str, str]] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", base64.b64encode(bytes(16)).decode()),
]


def request(
    world: Fleet, url: str, headers: Headers = UPGRADE, method: str = "GET", data: Optional[bytes] = None
) -> Tuple[int, str]:
    """The HTTP status and body of the answer to a handshake; the header Host is that of the URL unless given."""
    host, _, rest = url.partition("://")[2].partition("/")
    sent = list(headers)
    if not any(name == "Host" for name, _ in sent):
        sent.insert(0, ("Host", host))
    if data is not None and not any(name == "Transfer-Encoding" for name, _ in sent):
        sent.append(("Content-Length", str(len(data))))
    context = ssl.create_default_context(cafile=world.ca)
    with contextlib.closing(http.client.HTTPSConnection(*world.tls, timeout=ANSWER, context=context)) as connection:
        connection.putrequest(method, f"/{rest}", skip_host=True, skip_accept_encoding=True)
        for name, value in sent:
            connection.putheader(name, value)
        connection.endheaders(data)
        with contextlib.closing(connection.getresponse()) as answer:
            return answer.status, "" if answer.status == 101 else answer.read().decode()


def presigned(world: Fleet, parameters: str, headers: Dict[str, str], who: str = "admin") -> str:
    """The URL of a tunnel with any parameters, signed together with these headers."""
    signed = AWSRequest("GET", f"https://endpoint/openTunnel?{parameters}", headers)
    SigV4QueryAuth(world.credentials(who), "ec2-instance-connect", REGION, expires=60).add_auth(signed)
    return str(signed.url)


def code(answer: Tuple[int, str]) -> Tuple[int, str]:
    """The status and the code of a refusal, which has a message too."""
    found = json.loads(answer[1])
    assert set(found) == {"ErrorCode", "Message"}
    assert found["Message"]
    return answer[0], found["ErrorCode"]


def without(headers: Headers, name: str) -> Headers:
    return [one for one in headers if one[0] != name]


def changed(headers: Headers, **values: str) -> Headers:
    """The headers with other values; `_` in a name is `-`."""
    given: Dict[str, str] = {name.replace("_", "-"): value for name, value in values.items()}
    return [(name, given.get(name, value)) for name, value in headers]
