# SPDX-License-Identifier: Apache-2.0
"""Who gets a tunnel and where to: every step of the admission, with what the client sees; nothing else connects."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest

from eic_sandbox.cloud.endpoint import EndpointState
from eic_sandbox.cloud.principals import Session

from ..fleet import GREETING, Fleet
from ..fleet_world import ENDPOINT, FOREIGN_ENDPOINT, OTHER_ENDPOINT
from .handshake import code

pytestmark = pytest.mark.usefixtures("nothing_else_connects")
OPEN = (200, GREETING.decode())
TUNNEL = "ec2-instance-connect:OpenTunnel"
ARN = f"arn:aws:ec2:us-east-1:123456789012:instance-connect-endpoint/{ENDPOINT}"


def edited(old: str, new: str) -> Callable[[Fleet], str]:
    """The URL of a tunnel that is changed after it was signed."""
    return lambda world: world.url(max_duration=60).replace(old, new)


INVALID, MISMATCH = (400, "InvalidParameter"), (403, "InvalidSignatureException")
REFUSED: Dict[str, Tuple[Callable[[Fleet], str], Tuple[int, str]]] = {
    # 1. The parameters, each once.
    "another path": (edited("/openTunnel", "/opentunnel"), (404, "UnknownOperationException")),
    "a path with a slash at its end": (edited("/openTunnel", "/openTunnel/"), (404, "UnknownOperationException")),
    "no query": (lambda world: world.url().partition("?")[0], INVALID),
    "a parameter twice": (edited("&remotePort=22", "&remotePort=22&remotePort=22"), INVALID),
    "a parameter twice, once encoded": (edited("&remotePort=22", "&remotePort=22&remote%50ort=3389"), INVALID),
    "a signature twice": (lambda world: world.url() + "&X-Amz-Signature=" + "0" * 64, INVALID),
    "an unknown parameter": (edited("&remotePort", "&x=y&remotePort"), INVALID),
    "a parameter in another case": (edited("&remotePort", "&RemotePort"), INVALID),
    "bytes that are not UTF-8": (edited("remotePort=22", "remotePort=%ff"), INVALID),
    # 2. The endpoint of the host name.
    "no endpoint id": (edited(f"instanceConnectEndpointId={ENDPOINT}&", ""), INVALID),
    "the id of another endpoint": (
        lambda world: world.url(endpoint=OTHER_ENDPOINT, host=world.host(ENDPOINT)), INVALID,
    ),
    "the id of another account's endpoint": (
        lambda world: world.url(endpoint=FOREIGN_ENDPOINT, host=world.host(ENDPOINT)), INVALID,
    ),
    "the id in upper case": (lambda world: world.url(endpoint=ENDPOINT.upper(), host=world.host(ENDPOINT)), INVALID),
    # 3. The signature.
    "not signed": (lambda world: world.url().partition("&X-Amz-Algorithm")[0],
                   (403, "MissingAuthenticationTokenException")),
    "half signed": (edited("&X-Amz-SignedHeaders=host", ""), (403, "IncompleteSignatureException")),
    "another port": (edited("remotePort=22", "remotePort=3389"), MISMATCH),
    "another address": (edited("10.0.1.0", "10.0.1.1"), MISMATCH),
    "a longer duration": (edited("maxTunnelDuration=60", "maxTunnelDuration=3600"), MISMATCH),
    "no duration": (edited("&maxTunnelDuration=60", ""), MISMATCH),
    "longer validity": (edited("X-Amz-Expires=60", "X-Amz-Expires=600"), MISMATCH),
    "a parameter of AWS that was added": (lambda world: world.url() + "&X-Amz-Nonsense=1", MISMATCH),
    "an encoding that was changed": (edited("remotePort=22", "remotePort=%32%32"), MISMATCH),
    "a session token that was added": (lambda world: world.url() + "&X-Amz-Security-Token=x",
                                       (403, "UnrecognizedClientException")),
    "another access key": (edited("AKIAADMIN00000000000", "AKIABOB0000000000000"), MISMATCH),
    "an unknown access key": (edited("AKIAADMIN00000000000", "AKIANOBODY0000000000"),
                              (403, "UnrecognizedClientException")),
    "another Region": (lambda world: world.url(region="us-west-2"), MISMATCH),
    "another service": (edited("%2Fec2-instance-connect%2F", "%2Fec2%2F"), MISMATCH),
    # 4. The values.
    "no port": (lambda world: world.url(port=0), INVALID),
    "a port that is too large": (lambda world: world.url(port=65536), INVALID),
    "a negative port": (lambda world: world.url(port=-22), INVALID),
    "no address": (lambda world: world.url(address=""), INVALID),
    "an address that is none": (lambda world: world.url(address="10.0.1"), INVALID),
    "an address with zeros": (lambda world: world.url(address="010.0.1.0"), INVALID),
    "an address with a port": (lambda world: world.url(address="10.0.1.0:22"), INVALID),
    "an address with a zone": (lambda world: world.url(address="fd00:1::10%lo"), INVALID),
    "a number": (lambda world: world.url(address="167772416"), INVALID),
    "a DNS name of another domain": (lambda world: world.url(address="ip-10-0-1-0.example.com"), INVALID),
    "a DNS name without a domain": (lambda world: world.url(address="ip-10-0-1-0"), INVALID),
    "a DNS name of another Region": (lambda world: world.url(address="ip-10-0-1-0.us-west-2.compute.internal"),
                                     INVALID),
    "a DNS name without an address": (lambda world: world.url(address="ip-10-0-1-256.ec2.internal"), INVALID),
    "no time": (lambda world: world.url(max_duration=0), INVALID),
    "more than an hour": (lambda world: world.url(max_duration=3601), INVALID),
    # 5. The caller.
    "a caller without policies": (lambda world: world.url("bob"), (403, "AccessDeniedException")),
    "a caller of another account": (lambda world: world.url("mallory"), (403, "AccessDeniedException")),
    # 6. The port.
    "a port that the endpoint does not open": (lambda world: world.url(port=5432), INVALID),
    # 7. The address.
    "an address outside the VPC": (lambda world: world.url(address="10.1.0.5"), INVALID),
    "a public address": (lambda world: world.url(address="203.0.113.5"), INVALID),
    "this machine": (lambda world: world.url(address="127.0.0.1"), INVALID),
    "the instance metadata service": (lambda world: world.url(address="169.254.169.254"), INVALID),
    "an IPv6 address outside the VPC": (lambda world: world.url(address="fd00:2::10"), INVALID),
    "an IPv4 address in IPv6": (lambda world: world.url(address="::ffff:10.0.1.0"), INVALID),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_tunnel_is_refused_with_an_http_answer(shared_world: Fleet, name: str) -> None:
    url, expected = REFUSED[name]
    assert code(shared_world.open(url(shared_world))) == expected
    assert shared_world.events[-1]["errorCode"] == expected[1]


@pytest.mark.parametrize("port", [22, 3389])
def test_a_tunnel_to_a_port_for_ssh_or_rdp_is_opened(shared_world: Fleet, port: int) -> None:
    assert shared_world.open(shared_world.url(port=port)) == OPEN


def test_a_url_is_valid_for_as_long_as_it_says(world: Fleet) -> None:
    url = world.url()
    assert world.open(url) == OPEN
    assert world.open(url) == OPEN
    world.clock.ahead = 61
    assert code(world.open(url)) == (403, "ExpiredTokenException")


def test_a_url_of_a_session_is_refused_when_the_session_has_expired(world: Fleet) -> None:
    role = world.sandbox.cloud.directory.find("Operators")
    world.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="s1", DurationSeconds=900)
    world.attach("Operators", {"Effect": "Allow", "Action": TUNNEL, "Resource": "*"})
    assert world.open(world.url("Operators/s1")) == OPEN
    session = world.sandbox.cloud.directory.find("Operators/s1")
    assert isinstance(session, Session)
    credentials = world.sandbox.cloud.directory.credentials_of(session)
    url = world.url("Operators/s1")
    expired = dataclasses.replace(session, expires=world.clock() - 1)
    world.sandbox.cloud.directory.add(dataclasses.replace(credentials, principal=expired))
    assert code(world.open(url)) == (403, "ExpiredTokenException")


@pytest.mark.parametrize(
    ("condition", "more", "allowed"),
    [
        ({"NumericEquals": {"ec2-instance-connect:remotePort": "22"}}, {}, True),
        ({"NumericEquals": {"ec2-instance-connect:remotePort": "22"}}, {"port": 3389}, False),
        ({"IpAddress": {"ec2-instance-connect:privateIpAddress": "10.0.1.0/32"}}, {}, True),
        ({"IpAddress": {"ec2-instance-connect:privateIpAddress": "10.0.1.0/32"}}, {"address": "10.0.1.1"}, False),
        # A DNS name is what it stands for.
        ({"IpAddress": {"ec2-instance-connect:privateIpAddress": "10.0.1.0/32"}},
         {"address": "ip-10-0-1-0.ec2.internal"}, True),
        ({"IpAddress": {"ec2-instance-connect:privateIpAddress": "10.0.1.0/32"}},
         {"address": "ip-10-0-1-1.ec2.internal"}, False),
        ({"IpAddress": {"ec2-instance-connect:privateIpAddress": "fd00:1::10/128"}},
         {"address": "fd00:1:0:0:0:0:0:10"}, True),
        # Where no duration is given, it is an hour.
        ({"NumericLessThanEquals": {"ec2-instance-connect:maxTunnelDuration": "3600"}}, {}, True),
        ({"NumericLessThanEquals": {"ec2-instance-connect:maxTunnelDuration": "3599"}}, {}, False),
        ({"NumericLessThanEquals": {"ec2-instance-connect:maxTunnelDuration": "60"}}, {"max_duration": 60}, True),
        ({"NumericLessThanEquals": {"ec2-instance-connect:maxTunnelDuration": "60"}}, {"max_duration": 61}, False),
        ({"Null": {"ec2-instance-connect:maxTunnelDuration": "true"}}, {}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, {}, True),
        ({"StringEquals": {"aws:ResourceTag/env": "test"}}, {}, True),
        ({"StringEquals": {"aws:ResourceTag/tag-key": "tag-value"}}, {}, False),  # the instance's
        ({"StringEquals": {"aws:PrincipalTag/team": "blue"}}, {}, True),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.2/32"}}, {}, False),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.2/32"}}, {"source": "127.0.0.2"}, True),
    ],
)  # fmt: skip
def test_a_condition_of_a_policy_decides_over_a_tunnel(
    shared_world: Fleet, condition: Dict[str, Dict[str, str]], more: Dict[str, Any], allowed: bool
) -> None:
    shared_world.attach("alice", {"Effect": "Allow", "Action": TUNNEL, "Resource": ARN, "Condition": condition})
    source: Optional[str] = more.get("source")
    found = shared_world.open(
        shared_world.url("alice", **{name: value for name, value in more.items() if name != "source"}), source
    )
    assert (found if allowed else code(found)) == (OPEN if allowed else (403, "AccessDeniedException"))


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "ec2:*", "Resource": "*"},
        {"Action": "ec2-instance-connect:SendSSHPublicKey", "Resource": "*"},
        {"Action": TUNNEL, "Resource": ARN.replace(ENDPOINT, OTHER_ENDPOINT)},
        {"Action": TUNNEL, "Resource": "arn:aws:ec2:us-east-1:123456789012:instance/*"},
        {"Action": TUNNEL, "Resource": ARN.replace("123456789012", "210987654321")},
    ],
)
def test_a_policy_for_something_else_gives_no_tunnel(shared_world: Fleet, statement: Dict[str, str]) -> None:
    shared_world.attach("alice", {"Effect": "Allow", **statement})
    assert code(shared_world.open(shared_world.url("alice"))) == (403, "AccessDeniedException")


def test_a_refusal_names_the_caller_and_the_endpoint_in_the_words_of_iam(shared_world: Fleet) -> None:
    message = json.loads(shared_world.open(shared_world.url("bob"))[1])["Message"]
    assert message == (
        f"User: arn:aws:iam::123456789012:user/bob is not authorized to perform: {TUNNEL} on resource: {ARN} "
        f"because no identity-based policy allows the {TUNNEL} action"
    )


def test_a_caller_without_permission_does_not_learn_which_ports_and_addresses_there_are(shared_world: Fleet) -> None:
    tried: List[Dict[str, Any]] = [{"port": 5432}, *({"address": one} for one in ("10.1.0.5", "10.0.1.3", "10.0.9.9"))]
    for more in tried:
        found = code(shared_world.open(shared_world.url("bob", **more)))
        assert found == (403, "AccessDeniedException")


def test_other_ports_are_opened_only_where_the_world_says_so(world: Fleet) -> None:
    assert code(world.open(world.url(port=5432))) == INVALID
    world.sandbox.cloud.other_ports = True
    assert world.open(world.url(port=5432)) == OPEN
    assert code(world.open(world.url(port=65536))) == INVALID


@pytest.mark.parametrize(
    ("state", "usable"),
    [
        (EndpointState.CREATE_IN_PROGRESS, False),
        (EndpointState.CREATE_COMPLETE, True),
        (EndpointState.UPDATE_IN_PROGRESS, True),
        (EndpointState.UPDATE_COMPLETE, True),
        (EndpointState.DELETE_IN_PROGRESS, False),
        (EndpointState.DELETE_COMPLETE, False),
    ],
)
def test_an_endpoint_opens_tunnels_in_these_states(world: Fleet, state: EndpointState, usable: bool) -> None:
    world.endpoint.begin(state, world.clock() + 600)
    found = world.open(world.url())
    assert (found if usable else code(found)) == (OPEN if usable else (400, "IncorrectState"))
