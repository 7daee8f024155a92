# SPDX-License-Identifier: Apache-2.0
"""Every call and tunnel, refused ones too, has one event: in the file, at LookupEvents, and on the instance."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, List

import pytest

from eic_sshd.log import trail
from testbed import keys

from ..fleet import Fleet
from ..fleet_world import ACCOUNT, ENDPOINT, FIRST, STOPPED
from ..services.calls import PUSH_TARGET, json_call

KEY = keys.ed25519_line()
ENVELOPE = {
    "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress",
    "userAgent", "requestParameters", "responseElements", "requestID", "eventID", "readOnly", "eventType",
    "managementEvent", "recipientAccountId", "eventCategory",
}  # fmt: skip
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def push(world: Fleet, who: str = "admin", instance_id: str = FIRST) -> Dict[str, Any]:
    client = world.client("ec2-instance-connect", who)
    answer: Dict[str, Any] = client.send_ssh_public_key(InstanceId=instance_id, InstanceOSUser="root", SSHPublicKey=KEY)
    return answer


def last(world: Fleet) -> Dict[str, Any]:
    """The newest event, with what all events have in common checked and removed."""
    event = dict(world.events[-1])
    assert set(event) >= ENVELOPE
    assert UUID.fullmatch(event["requestID"])
    assert UUID.fullmatch(event["eventID"])
    assert event["sourceIPAddress"] == "127.0.0.1"
    assert event["userAgent"]
    assert (event["eventVersion"], event["eventType"], event["eventCategory"], event["managementEvent"]) == (
        "1.08", "AwsApiCall", "Management", True,
    )  # fmt: skip
    assert (event["awsRegion"], event["recipientAccountId"]) == ("us-east-1", ACCOUNT)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["eventTime"])
    return event


def test_the_event_of_a_push_has_the_fields_of_the_real_one(world: Fleet) -> None:
    answer = push(world)
    event = last(world)
    assert set(event) == ENVELOPE
    assert (event["eventSource"], event["eventName"], event["readOnly"]) == (
        "ec2-instance-connect.amazonaws.com", "SendSSHPublicKey", False,
    )  # fmt: skip
    assert event["userIdentity"] == {
        "type": "IAMUser",
        "principalId": world.sandbox.cloud.directory.find("admin").unique_id,
        "arn": f"arn:aws:iam::{ACCOUNT}:user/admin",
        "accountId": ACCOUNT,
        "accessKeyId": world.credentials("admin").access_key,
        "userName": "admin",
    }
    assert event["requestParameters"] == {"instanceId": FIRST, "instanceOSUser": "root", "sSHPublicKey": KEY}
    assert event["responseElements"] == {"requestId": answer["RequestId"], "success": True}
    assert event["requestID"] == answer["RequestId"]
    block = world.instance().read("managed-ssh-keys/active-keys/root") or b""
    assert f"#Request={event['requestID']}\n".encode() in block
    assert f"#Caller={event['userIdentity']['arn']}\n".encode() in block


def test_the_event_of_a_session_names_its_role(world: Fleet) -> None:
    role = world.sandbox.cloud.directory.find("Operators")
    made = world.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="alice@example.com")["Credentials"]
    assert world.open(world.url("Operators/alice@example.com"))[0] == 403
    event = last(world)
    identity = event["userIdentity"]
    assert (identity["type"], identity["accessKeyId"]) == ("AssumedRole", made["AccessKeyId"])
    assert identity["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Operators/alice@example.com"
    assert identity["principalId"] == f"{role.unique_id}:alice@example.com"
    assert "userName" not in identity
    assert identity["sessionContext"]["sessionIssuer"] == {
        "type": "Role", "principalId": role.unique_id, "arn": role.arn, "accountId": ACCOUNT, "userName": "Operators",
    }  # fmt: skip
    assert set(identity["sessionContext"]["attributes"]) == {"creationDate", "mfaAuthenticated"}


def test_the_event_of_a_tunnel_has_the_fields_of_the_real_one(world: Fleet) -> None:
    assert world.open(world.url(max_duration=60))[0] == 200
    event = last(world)
    assert set(event) == ENVELOPE | {"resources", "tlsDetails"}
    assert (event["eventName"], event["readOnly"], event["responseElements"]) == ("OpenTunnel", False, None)
    assert event["requestParameters"] == {
        "instanceConnectEndpointId": ENDPOINT, "maxTunnelDuration": "60", "remotePort": "22",
        "privateIpAddress": "10.0.1.0",
    }  # fmt: skip
    assert event["resources"] == [
        {"accountId": ACCOUNT, "type": "AWS::EC2::InstanceConnectEndpoint", "ARN": world.endpoint.arn}
    ]
    assert event["tlsDetails"]["clientProvidedHostHeader"] == world.host(ENDPOINT)
    assert event["tlsDetails"]["tlsVersion"].startswith("TLSv1.")
    assert event["tlsDetails"]["cipherSuite"]


def test_refused_calls_and_tunnels_have_an_error_in_their_event(world: Fleet) -> None:
    for call, code in (
        (lambda: push(world, "alice"), "AccessDeniedException"),
        (lambda: push(world, instance_id=STOPPED), "EC2InstanceStateInvalidException"),
        (lambda: world.client("ec2", "alice").describe_vpcs(), "UnauthorizedOperation"),
        (lambda: world.client("ec2").describe_vpcs(DryRun=True), "DryRunOperation"),
    ):
        with pytest.raises(Exception, match=code):
            call()
        event = last(world)
        assert event["errorCode"] == code
        assert event["errorMessage"]
        assert event["responseElements"] is None
    for url, code in (
        (world.url("alice"), "AccessDeniedException"),
        (world.url("mallory"), "AccessDeniedException"),
        (world.url(port=23), "InvalidParameter"),
        (world.url(address="10.0.1.3"), "TargetUnreachable"),
        (world.url() + "0", "IncompleteSignatureException"),
    ):
        assert world.open(url)[0] != 200
        event = last(world)
        assert (event["eventName"], event["errorCode"]) == ("OpenTunnel", code)
        assert event["requestParameters"]["instanceConnectEndpointId"] == ENDPOINT


def test_the_event_of_an_unauthenticated_tunnel_names_the_access_key(world: Fleet) -> None:
    assert world.open(world.url("alice").replace("remotePort=22", "remotePort=23"))[0] == 403
    identity = last(world)["userIdentity"]
    assert (identity["type"], identity["accessKeyId"]) == ("Unknown", world.credentials("alice").access_key)


def test_a_tunnel_to_an_endpoint_that_does_not_exist_is_in_the_trail(world: Fleet) -> None:
    missing = "eice-0000000000000dead"
    host = world.host(ENDPOINT).replace(ENDPOINT, missing)
    status, body = world.open(world.url(endpoint=missing, host=host))
    assert (status, json.loads(body)["ErrorCode"]) == (404, "ResourceNotFoundException")
    event = world.events[-1]
    assert (event["eventName"], event["errorCode"]) == ("OpenTunnel", "ResourceNotFoundException")
    assert event["recipientAccountId"] == ""


def test_each_call_and_tunnel_has_one_event_and_the_file_and_lookup_events_agree(world: Fleet, tmp_path: Path) -> None:
    world.sandbox.describe(str(tmp_path))
    push(world)
    with pytest.raises(Exception, match="AccessDenied"):
        push(world, "alice")
    world.open(world.url())
    world.open(world.url("alice"))
    world.open(world.url(address="10.0.1.3"))
    world.client("ec2").describe_instances()
    world.client("sts").get_caller_identity()
    lines = (tmp_path / "trail.json").read_text().splitlines()
    written: List[Dict[str, Any]] = [json.loads(line) for line in lines]
    assert [event["eventName"] for event in written] == [
        "SendSSHPublicKey", "SendSSHPublicKey", "OpenTunnel", "OpenTunnel", "OpenTunnel", "DescribeInstances",
        "GetCallerIdentity",
    ]  # fmt: skip
    assert len({event["eventID"] for event in written}) == len({event["requestID"] for event in written}) == 7
    found = world.client("cloudtrail").lookup_events()["Events"]
    assert [json.loads(one["CloudTrailEvent"]) for one in reversed(found)] == written == world.events[:7]


def test_eic_sshd_reads_the_trail_of_the_sandbox(world: Fleet, tmp_path: Path) -> None:
    world.sandbox.describe(str(tmp_path))
    answer = push(world)
    with pytest.raises(Exception, match="AccessDenied"):
        push(world, "alice")
    world.open(world.url())
    granted, refused = trail.parse((tmp_path / "trail.json").read_bytes()).pushes
    assert granted.request_id == answer["RequestId"]
    assert (granted.caller, granted.user, granted.instance_id, granted.error) == (
        f"arn:aws:iam::{ACCOUNT}:user/admin", "root", FIRST, "",
    )  # fmt: skip
    assert granted.fingerprint.startswith("SHA256:")
    assert (refused.caller, refused.error) == (f"arn:aws:iam::{ACCOUNT}:user/alice", "AccessDeniedException")
    listed = world.client("cloudtrail").lookup_events()["Events"]
    assert trail.parse(json.dumps({"Events": listed}, default=str).encode()).pushes == (refused, granted)


def test_members_that_a_push_does_not_have_hide_none_of_its_own(world: Fleet) -> None:
    own = {"InstanceId": FIRST, "InstanceOSUser": "root", "SSHPublicKey": KEY}
    body = json.dumps({**{f"Junk{number}": "x" * 8192 for number in range(5)}, **own}).encode()
    assert json_call(world, PUSH_TARGET, body).json()["Success"] is True
    assert last(world)["requestParameters"] == {"instanceId": FIRST, "instanceOSUser": "root", "sSHPublicKey": KEY}
