# SPDX-License-Identifier: Apache-2.0
"""What answers at an address of IMDS now, without a judgement (imds_access.py).

It looks at what a decision does not: the header fields, and where exactly an exchange ends. `requests` is used with no
proxy, no redirect and a limit on what is read; a peer that sends slowly is bounded by the time of the whole check.
"""

from __future__ import annotations

import socket
from typing import Mapping, NamedTuple, Optional
from urllib.parse import urlsplit

from ..host import libraries

_TIMEOUT = 1.5  # seconds for each wait
_MAX_BODY = 1024  # bytes
_MAX_FIELD = 200  # characters
_TTL = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}


class Answer(NamedTuple):
    """An answer of HTTP: the status, four header fields (empty where there is none) and the begin of the body."""

    status: int
    server: str = ""
    via: str = ""
    date: str = ""
    body: str = ""


class Observation(NamedTuple):
    """What happened at `endpoint`.

    `refusal` is why no connection was made, empty if one was. `silent` says that a request got no answer in time,
    `failure` why it got an answer that is none. `token` is the answer to the request for a token, its body removed
    where it is one; `instance_id` is what the service then reported.
    """

    endpoint: str
    refusal: str = ""
    silent: bool = False
    failure: str = ""
    token: Optional[Answer] = None
    instance_id: str = ""


def connect_error(endpoint: str) -> str:
    """Why no connection to `endpoint` can be made; empty if one can."""
    parts = urlsplit(endpoint)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_TIMEOUT):
            return ""
    except OSError as error:
        return error.strerror or str(error) or "no answer"


def observe(endpoint: str) -> Observation:
    """Try `endpoint`, an http:// address. Raises NotGranted (library-unusable) without python3-requests."""
    with libraries.loading():
        import requests
        import requests.exceptions
    refusal = connect_error(endpoint)
    if refusal:
        return Observation(endpoint, refusal=refusal)
    with requests.Session() as session:
        session.trust_env = False
        try:
            token = _exchange(session, "PUT", f"{endpoint}/latest/api/token", _TTL)
            if token.status != 200 or not _is_token(token.body):
                return Observation(endpoint, token=token._replace(body=token.body[:_MAX_FIELD]))
            headers = {"X-aws-ec2-metadata-token": token.body.strip()}
            found = _exchange(session, "GET", f"{endpoint}/latest/meta-data/instance-id", headers)
        except requests.exceptions.Timeout:
            return Observation(endpoint, silent=True)
        except Exception as error:  # the libraries raise any exception over a malformed answer
            return Observation(endpoint, failure=type(error).__name__)
    instance_id = found.body.strip()[:_MAX_FIELD] if found.status == 200 else ""
    return Observation(endpoint, token=token._replace(body=""), instance_id=instance_id)


def _exchange(session: object, method: str, url: str, headers: Mapping[str, str]) -> Answer:
    import requests

    assert isinstance(session, requests.Session)  # noqa: S101 - the type, of a module that is loaded late
    with session.request(
        method, url, headers=dict(headers), timeout=_TIMEOUT, allow_redirects=False, stream=True
    ) as answer:
        body = answer.raw.read(_MAX_BODY, decode_content=False)
        fields = {name: answer.headers.get(name, "")[:_MAX_FIELD] for name in ("Server", "Via", "Date")}
        return Answer(
            answer.status_code, fields["Server"], fields["Via"], fields["Date"], body.decode("ascii", "replace")
        )


def _is_token(body: str) -> bool:
    """As imds/session.py: printable ASCII without a blank."""
    return bool(body.strip()) and all("!" <= letter <= "~" for letter in body.strip())
