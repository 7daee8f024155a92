# SPDX-License-Identifier: Apache-2.0
"""Any request to the control API is answered: as wanted, or with a refusal of one line."""

from __future__ import annotations

import json
from typing import Dict
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eic_sandbox.server import Sandbox

from .answers import FIRST

ROUTES = [("PUT", "policies"), ("DELETE", "policies"), ("POST", "revoke"), ("POST", "can"), ("POST", "keys"),
          ("POST", "rotate/"), ("PUT", "faults/"), ("DELETE", "faults/"), ("POST", f"instances/{FIRST}/"),
          ("POST", "instances/"), ("GET", "credentials?as="),
          ("GET", "eic-sshd.conf?ca_file="), ("GET", "")]  # fmt: skip
WORDS = ["bob", "alice", "readers", "Operators/carol", "ec2:DescribeInstances", "*", FIRST, "eice-0000000a", "\0", "\n",
         "\ud800", "\x1b[2J", "arn:aws:ec2:us-west-2:123456789012:instance/x", "aws:SourceIp", "stop",
         "hang"]  # fmt: skip
NAMES = ["to", "from", "policy", "document", "role", "principal", "action", "resource", "context", "user", "key",
         "Statement", "Effect", "Action", "Resource", "Condition"]  # fmt: skip
TEXTS = st.sampled_from(WORDS) | st.text(max_size=5)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.dictionaries(st.sampled_from(NAMES) | TEXTS, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=10,
)
WHOLE: Dict[str, object] = {
    "to": "bob", "from": "bob", "policy": "readers", "role": "123456789012/Operators", "principal": "bob",
    "action": "ec2:DescribeInstances", "resource": "*", "user": "root", "key": "ssh-ed25519 AAAA",
}  # fmt: skip
MEMBERS = {
    "policies": (["to", "policy"], ["from", "policy"]),
    "revoke": (["role"],),
    "can": (["principal", "action", "resource"],),
    "keys": (["user", "key"],),
}


def bodies(route: str) -> st.SearchStrategy[bytes]:
    """Wrong ones, and right ones of which one member is changed."""
    valid = [{name: WHOLE[name] for name in names} for names in MEMBERS.get(route, ([],))]
    changed = st.tuples(st.sampled_from(valid), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=1))
    return (changed.map(lambda one: {**one[0], **one[1]}) | VALUES).map(
        lambda one: json.dumps(one).encode()
    ) | st.binary(max_size=30)


@pytest.mark.parametrize(("method", "route"), ROUTES, ids=" ".join)
def test_any_request_is_answered_or_refused_in_one_line(
    world: Sandbox, session: requests.Session, method: str, route: str
) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(TEXTS, bodies(route))
    def run(text: str, body: bytes) -> None:
        path = route + quote(text.encode("utf-8", "surrogatepass")) if route not in MEMBERS else route
        answer = session.request(method, f"{world.endpoints['control']}/{path}", data=body, timeout=10)
        assert answer.status_code in (200, 400, 404, 405)
        if answer.status_code != 200:
            assert answer.json()["error"].isprintable()

    run()
    assert session.get(f"{world.endpoints['control']}/status", timeout=10).status_code == 200
