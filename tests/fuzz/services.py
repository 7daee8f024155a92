# SPDX-License-Identifier: Apache-2.0
"""What a running sandbox is sent by clients with valid credentials: bodies of API calls, and changed presigned URLs.

Whatever it is, the answer is HTTP below status 500, has one event in the trail, and gives nobody what the policies
deny. (Signatures are fuzzed without a server, and frames behind an open tunnel elsewhere.)
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import http.client
import json
import ssl
import tempfile
from pathlib import Path
from typing import Dict, List, Tuple
from urllib.parse import quote
from xml.etree import ElementTree

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from hypothesis import strategies as st

from eic_sshd.log import trail
from testbed import keys
from tests.sandbox.fleet import ANSWER, Fleet, fleet
from tests.sandbox.fleet_world import ENDPOINT, FIRST, OTHER_ENDPOINT, REGION, SECOND, STOPPED, SUBNET
from tests.sandbox.tunnel.handshake import UPGRADE

from .targets import Target

KEY = keys.ed25519_line()
_LOOKUP = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"
_PUSH = "AWSEC2InstanceConnectService.SendSSHPublicKey"
_SERIAL = "AWSEC2InstanceConnectService.SendSerialConsoleSSHPublicKey"

# fmt: off
_WORDS = [
    FIRST, SECOND, STOPPED, ENDPOINT, OTHER_ENDPOINT, SUBNET, "subnet-00000000000000003", "sg-00000000000000002",
    "ec2-user", "root", "", "*", "?", "us-east-1a", KEY, KEY + " x", "ssh-rsa AAAAB3NzaC1yc2E", "ssh-ed25519 ",
    "---- BEGIN SSH2 PUBLIC KEY ----\n", "\n---- END SSH2 PUBLIC KEY ----", "Comment: \\\n", "true", "false", "0", "1",
    "5", "50", "900", "3600", "-1", "1e9", "9" * 400, "\0", "\ud800", "\u0661", "\u00e9", "cGFnZTox", "AAAA", "%",
    "instance-connect-endpoint", "vpc-id", "tag:env", "tag-key", "state", "create-complete", "ipv4", "ipv6", "token",
    "arn:aws:iam::123456789012:role/Operators", "session", '{"Version": "2012-10-17", "Statement": []}', "{",
    "EventName",
    "AttributeKey", "AttributeValue", "OpenTunnel", "SendSSHPublicKey", "x" * 300,
]
_MEMBERS = [
    "InstanceId", "InstanceOSUser", "SSHPublicKey", "AvailabilityZone", "SerialPort", "instanceId", "instanceOSUser",
    "LookupAttributes", "StartTime", "EndTime", "MaxResults", "NextToken", "EventCategory",
]
_ACTIONS = [
    "DescribeInstances", "DescribeVpcs", "DescribeSubnets", "DescribeInstanceConnectEndpoints",
    "CreateInstanceConnectEndpoint", "ModifyInstanceConnectEndpoint", "DeleteInstanceConnectEndpoint",
    "GetCallerIdentity", "AssumeRole", "RunInstances", "",
]
_PARAMETERS = [
    "InstanceId.1", "InstanceId.2", "InstanceId.01", "InstanceId", "VpcId.1", "SubnetId.1", "SubnetId", "MaxResults",
    "NextToken", "DryRun", "Filter.1.Name", "Filter.1.Value.1", "Filter.1.Value.2", "Filter.2.Name", "ClientToken",
    "SecurityGroupId.1", "PreserveClientIp", "IpAddressType", "TagSpecification.1.ResourceType",
    "TagSpecification.1.Tag.1.Key", "TagSpecification.1.Tag.1.Value", "InstanceConnectEndpointId",
    "InstanceConnectEndpointId.1", "RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "ExternalId",
    "Tags.member.1.Key", "Tags.member.1.Value", "Action", "Version", "X-Amz-Date", "Filter.99999.Name",
]
_URL_PIECES = [
    "&", "=", "?", "/", "//", "/.", "/..", "%", "%00", "%2F", "%26", "+", ";", "#", "22", "3389", "0", "10.0.1.1",
    "remotePort=", "privateIpAddress=", "maxTunnelDuration=", "maxTunnelDuration=1", "instanceConnectEndpointId=",
    ENDPOINT, OTHER_ENDPOINT, "X-Amz-Expires=", "X-Amz-Signature=", "X-Amz-Security-Token=", "X-Amz-SignedHeaders=host",
    "x-amz-signature=", "a=b", "openTunnel", "AKIABOB0000000000000", "us-west-2", "127.0.0.1", "::ffff:10.0.1.0",
]
# fmt: on


def targets() -> List[Target]:
    """They share one sandbox, which starts at the first example and ends with the process."""
    return [
        Target("API calls in JSON", _json_calls(), _send_json),
        Target("API calls in forms", _forms(), _send_form),
        Target("presigned URLs of tunnels", _url_changes(), _open_changed),
    ]


@functools.lru_cache(maxsize=1)
def _world() -> Fleet:
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    world = stack.enter_context(fleet(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
    only = {"StringEquals": {"ec2:osuser": "ec2-user"}}
    world.attach(
        "alice",
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "ec2:*Endpoint", "Resource": "*"},
        {"Effect": "Deny", "NotAction": ["ec2:*", "cloudtrail:*", "ec2-instance-connect:SendSSHPublicKey"],
         "Resource": "*"},
        {"Effect": "Deny", "Action": "ec2-instance-connect:SendSSHPublicKey",
         "NotResource": f"arn:aws:ec2:{REGION}:123456789012:instance/{FIRST}"},
        {"Effect": "Deny", "Action": "ec2-instance-connect:SendSSHPublicKey", "Resource": "*",
         "Condition": {"StringNotEquals": only["StringEquals"]}},
    )  # fmt: skip
    assert world.open(world.url(max_duration=60))[0] == 200  # so that what is refused was refused for its changes
    return world


_session = functools.lru_cache(maxsize=1)(requests.Session)

# What is sent to the APIs.


def _json_calls() -> st.SearchStrategy[Tuple[str, str, bytes]]:
    scalars = st.sampled_from([None, True, 0, 1, -1, 10**400, 1.5, float("nan"), float("inf"), *_WORDS]) | st.text()
    values = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=3)
    )
    members = st.dictionaries(st.sampled_from(_MEMBERS) | st.text(max_size=5), values, max_size=6)
    push = {"InstanceId": FIRST, "InstanceOSUser": "ec2-user", "SSHPublicKey": KEY}
    documents = (members | members.map(lambda one: {**push, **one}) | values).map(json.dumps).map(str.encode)
    cut = st.tuples(documents, st.integers(0, 300), st.binary(max_size=3)).map(
        lambda one: one[0][: one[1]] + one[2] + one[0][one[1] :]
    )
    who = st.sampled_from(["admin", "alice", "bob"])
    return st.tuples(who, st.sampled_from([_PUSH, _SERIAL, _LOOKUP, "X.Y", ""]), documents | cut | st.binary())


def _forms() -> st.SearchStrategy[Tuple[str, str, bytes]]:
    names = st.sampled_from(_PARAMETERS) | st.text(max_size=6)
    pairs = st.lists(st.tuples(names, st.sampled_from(_WORDS) | st.text(max_size=8)), max_size=8)
    versions = st.sampled_from(["2016-11-15", "2011-06-15", "x"])

    def form(example: Tuple[str, str, List[Tuple[str, str]]]) -> bytes:
        action, version, more = example
        given = [("Action", action), ("Version", version), *more]
        return "&".join("=".join(quote(one, errors="surrogatepass") for one in pair) for pair in given).encode()

    forms = st.tuples(st.sampled_from(_ACTIONS), versions, pairs).map(form)
    cut = st.tuples(forms, st.integers(0, 80), st.binary(max_size=3)).map(
        lambda one: one[0][: one[1]] + one[2] + one[0][one[1] :]
    )
    who = st.sampled_from(["admin", "alice", "bob"])
    return st.tuples(who, st.sampled_from(["ec2", "sts"]), forms | cut | st.binary())


def _send_json(example: Tuple[str, str, bytes]) -> None:
    who, target, body = example
    service = "cloudtrail" if target == _LOOKUP else "ec2-instance-connect"
    answer = _send(who, service, {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}, body)
    json.loads(answer.content)


def _send_form(example: Tuple[str, str, bytes]) -> None:
    who, service, body = example
    answer = _send(who, service, {"Content-Type": "application/x-www-form-urlencoded"}, body)
    ElementTree.fromstring(answer.content)  # noqa: S314 - it is the sandbox's own


def _send(who: str, service: str, headers: Dict[str, str], body: bytes) -> requests.Response:
    world = _world()
    before = _state(world)
    count = len(world.events)
    request = AWSRequest("POST", f"{world.sandbox.endpoints['api']}/", headers, body)
    SigV4Auth(world.credentials(who), service, REGION).add_auth(request)
    sent = dict(request.headers.items())
    answer = _session().post(request.url, data=body, headers=sent, timeout=ANSWER)
    assert answer.status_code < 500 or answer.json()["__type"] == "ServiceException"
    assert len(world.events) == count + 1 or count >= 10_000
    trail.parse(json.dumps(world.events[-1]).encode())
    if who != "admin":
        assert _state(world) == before
        for instance_id in (FIRST, SECOND, STOPPED):
            for user in ("ec2-user", "root"):
                allowed = (who, instance_id, user) == ("alice", FIRST, "ec2-user")
                found = world.instance(instance_id).read(f"managed-ssh-keys/active-keys/{user}")
                assert allowed or not found
    world.instance().forget_keys()
    world.instance(SECOND).forget_keys()
    return answer


def _state(world: Fleet) -> List[object]:
    endpoints = world.region.endpoints.values()
    return [(one.id, one.settings, dict(one.tags), one.state(world.clock())) for one in endpoints]


# What is sent to the endpoint.


def _url_changes() -> st.SearchStrategy[List[Tuple[int, int, str]]]:
    printable = st.text([chr(code) for code in range(0x21, 0x7F)], max_size=3)
    change = st.tuples(st.integers(0, 600), st.integers(0, 6), st.sampled_from(_URL_PIECES) | printable)
    return st.lists(change, min_size=1, max_size=3)


def _open_changed(changes: List[Tuple[int, int, str]]) -> None:
    """Each change replaces some characters from a place on by others."""
    world = _world()
    host = world.host(ENDPOINT)
    target = world.url(max_duration=60).partition(host)[2]
    changed = target
    for place, length, text in changes:
        place %= len(changed) + 1
        changed = changed[:place] + text + changed[place + length :]
    changed = changed if changed.startswith("/") else f"/{changed}"
    if _meaning(changed) == _meaning(target):
        return
    before = len(world.target.peers)
    status = _handshake(world, host, changed)
    assert 400 <= status < 500
    assert len(world.target.peers) == before


def _meaning(target: str) -> Tuple[str, List[str]]:
    """Signatures are for the pairs of a query in any order."""
    path, _, query = target.partition("?")
    return path, sorted(pair for pair in query.split("&"))


def _handshake(world: Fleet, host: str, target: str) -> int:
    context = _trusted(world.ca)
    with contextlib.closing(http.client.HTTPSConnection(*world.tls, timeout=ANSWER, context=context)) as connection:
        connection.putrequest("GET", target, skip_host=True)
        for name, value in (("Host", host), *UPGRADE):
            connection.putheader(name, value)
        connection.endheaders()
        with contextlib.closing(connection.getresponse()) as answer:
            return answer.status


_trusted = functools.lru_cache(maxsize=1)(lambda ca: ssl.create_default_context(cafile=ca))
