# SPDX-License-Identifier: Apache-2.0
"""What answers at an address of IMDS now, without a judgement (imds_access.py).

It looks at what a decision does not: the header fields, and where exactly an exchange ends. `requests` is used with no
proxy, no redirect, and limits on what is read and on the time of all of it.
"""

from __future__ import annotations

import re
import socket
from typing import Mapping, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from ..host import libraries
from ..host.timed_calls import TimedCalls

_TIMEOUT = 1.5  # seconds for each wait
_SECONDS = 5.0  # for all requests
_MAX_BODY = 1025  # bytes: one more than a token may have
_TOKEN = r"[!-~]{1,1024}"  # noqa: S105 - the form of one, as in imds/session.py
_INSTANCE_ID = r"i-[0-9a-f]{8,32}"  # as imds/client.py
_MAX_FIELD = 200  # characters
_TTL = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}


class Answer(NamedTuple):
    """An answer of HTTP: the status and three header fields, empty where there is none. Its body is not kept."""

    status: int
    server: str = ""
    via: str = ""
    date: str = ""


class Observation(NamedTuple):
    """What happened at `endpoint`.

    `refusal` is why no connection was made, empty if one was. `silent` says that a request got no answer in time,
    `failure` why it got an answer that is none. `token` is the answer to the request for a token, and `has_token` says
    whether its body was one; `instance_id` is what the service then reported.
    """

    endpoint: str
    refusal: str = ""
    silent: bool = False
    failure: str = ""
    token: Optional[Answer] = None
    has_token: bool = False
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
    try:
        return TimedCalls(1).call(lambda: _requests(endpoint), _SECONDS)
    except TimeoutError:  # the limit of requests is for each wait
        return Observation(endpoint, failure="it is sent too slowly")
    except requests.exceptions.Timeout:
        return Observation(endpoint, silent=True)
    except Exception as error:  # the libraries raise any exception over a malformed answer
        return Observation(endpoint, failure=type(error).__name__)


def _requests(endpoint: str) -> Observation:
    import requests

    with requests.Session() as session:
        session.trust_env = False
        answer, token = _exchange(session, "PUT", f"{endpoint}/latest/api/token", _TTL)
        if answer.status != 200 or not re.fullmatch(_TOKEN, token):
            return Observation(endpoint, token=answer)  # without the body: a part of it may be a token
        headers = {"X-aws-ec2-metadata-token": token}
        found, text = _exchange(session, "GET", f"{endpoint}/latest/meta-data/instance-id", headers)
    is_id = found.status == 200 and re.fullmatch(_INSTANCE_ID, text.strip()) is not None
    return Observation(endpoint, token=answer, has_token=True, instance_id=text.strip() if is_id else "")


def _exchange(session: object, method: str, url: str, headers: Mapping[str, str]) -> Tuple[Answer, str]:
    """The answer, and the begin of its body."""
    import requests

    assert isinstance(session, requests.Session)  # noqa: S101 - the type, of a module that is loaded late
    with session.request(
        method, url, headers=dict(headers), timeout=_TIMEOUT, allow_redirects=False, stream=True
    ) as answer:
        body = answer.raw.read(_MAX_BODY, decode_content=False)
        fields = {name: answer.headers.get(name, "")[:_MAX_FIELD] for name in ("Server", "Via", "Date")}
        seen = Answer(answer.status_code, fields["Server"], fields["Via"], fields["Date"])
        return seen, body.decode("ascii", "replace")
