# SPDX-License-Identifier: Apache-2.0
"""SendSSHPublicKey and SendSerialConsoleSSHPublicKey: who may push, and what is refused."""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest
from botocore.exceptions import ClientError

from eic_sandbox.cloud.machine import State
from eic_sandbox.services.instance_connect import OPERATIONS
from testbed import keys

from ..fleet import Fleet
from ..fleet_world import FIRST, FOREIGN, SECOND, STOPPED, THIRD
from .calls import PUSH_TARGET, json_call, problem

KEY = keys.ed25519_line()
SSH2 = "---- BEGIN SSH2 PUBLIC KEY ----\n%s\n---- END SSH2 PUBLIC KEY ----"
PUSH = "ec2-instance-connect:SendSSHPublicKey"
SERIAL = "ec2-instance-connect:SendSerialConsoleSSHPublicKey"


def push(world: Fleet, who: str, instance_id: str = FIRST, user: str = "ec2-user", **more: str) -> Dict[str, Any]:
    arguments = {"InstanceId": instance_id, "InstanceOSUser": user, "SSHPublicKey": KEY, **more}
    answer: Dict[str, Any] = world.client("ec2-instance-connect", who).send_ssh_public_key(**arguments)
    return answer


def serial(world: Fleet, who: str = "admin", instance_id: str = FIRST, **more: Any) -> Any:
    client = world.client("ec2-instance-connect", who)
    return client.send_serial_console_ssh_public_key(InstanceId=instance_id, SSHPublicKey=KEY, **more)


def active_keys(world: Fleet, user: str, instance_id: str = FIRST) -> bytes:
    return world.instance(instance_id).read(f"managed-ssh-keys/active-keys/{user}") or b""


def test_a_pushed_key_is_on_its_instance_only_for_its_os_user_only_with_its_caller_and_request(world: Fleet) -> None:
    answer = push(world, "admin")
    assert answer["Success"] is True
    block = active_keys(world, "ec2-user").decode()
    assert f"#Request={answer['RequestId']}\n" in block
    assert "#Caller=arn:aws:iam::123456789012:user/admin\n" in block
    assert answer["RequestId"] == answer["ResponseMetadata"]["RequestId"]
    assert not active_keys(world, "root")
    assert not active_keys(world, "ec2-user", SECOND)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"instance_id": STOPPED}, "EC2InstanceStateInvalidException"),
        ({"instance_id": FOREIGN}, "EC2InstanceNotFoundException"),
        ({"instance_id": "i-00000000000000002"}, "EC2InstanceNotFoundException"),
        ({"AvailabilityZone": "us-east-1b"}, "EC2InstanceNotFoundException"),
        ({"instance_id": "i-123456g"}, "InvalidArgsException"),
        ({"instance_id": "i-" + "0" * 31}, "InvalidArgsException"),
        ({"AvailabilityZone": "us-east-1a "}, "InvalidArgsException"),
        ({"user": "ec2-user\n"}, "InvalidArgsException"),
        ({"user": "123"}, "InvalidArgsException"),
        ({"user": "\ud800"}, "InvalidArgsException"),
        ({"SSHPublicKey": KEY[:79]}, "InvalidArgsException"),
        ({"SSHPublicKey": KEY + " " + "x" * 4096}, "InvalidArgsException"),
        ({"SSHPublicKey": SSH2 % ("\u00e9" * 20)}, "InvalidArgsException"),
        ({"SSHPublicKey": SSH2 % ("\ud800" * 20)}, "InvalidArgsException"),
        ({"SSHPublicKey": SSH2 % ("AAAAB3NzaC1yc2E" * 3)}, "InvalidArgsException"),
        ({"SSHPublicKey": KEY.replace("ssh-ed25519", "ssh-rsa")}, "InvalidArgsException"),
        ({"SSHPublicKey": f'command="id" {KEY}'}, "InvalidArgsException"),
        ({"SSHPublicKey": 5}, "SerializationException"),
    ],
)
def test_a_push_that_is_invalid_or_has_no_running_instance_gets_the_error_of_the_service(
    shared_world: Fleet, changed: Dict[str, str], error: str
) -> None:
    assert problem(lambda: push(shared_world, "admin", **changed)) == (error, 400)
    assert not active_keys(shared_world, "ec2-user")


def test_a_key_in_the_format_of_rfc_4716_may_have_a_comment_in_utf_8(world: Fleet) -> None:
    blob = keys.rsa_line(2048).split()[1]
    lines = "\n".join(blob[at : at + 70] for at in range(0, len(blob), 70))
    assert push(world, "admin", SSHPublicKey=SSH2 % f"Comment: G\u00fcnther\n{lines}")["Success"]


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Action": PUSH, "Resource": "*"}, True),
        ({"Action": PUSH.lower(), "Resource": f"arn:aws:ec2:us-east-1:123456789012:instance/{FIRST}"}, True),
        ({"Action": PUSH, "Resource": f"arn:aws:ec2:us-east-1:123456789012:instance/{SECOND}"}, False),
        ({"Action": PUSH, "Resource": f"arn:aws:ec2:us-east-1:210987654321:instance/{FIRST}"}, False),
        ({"Action": PUSH, "Resource": f"arn:aws:ec2:us-west-2:123456789012:instance/{FIRST}"}, False),
        ({"Action": PUSH, "Resource": "*", "Condition": {"StringEquals": {"ec2:osuser": "ec2-user"}}}, True),
        ({"Action": PUSH, "Resource": "*", "Condition": {"StringEquals": {"ec2:osuser": "root"}}}, False),
        ({"Action": PUSH, "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/Name": "first"}}}, True),
        ({"Action": PUSH, "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/Name": "x"}}}, False),
        ({"Action": PUSH, "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}}}, True),
        ({"Action": PUSH, "Resource": "*", "Condition": {"StringEquals": {"aws:username": "bob"}}}, False),
        ({"Action": PUSH, "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
        ({"Action": "ec2:*", "Resource": "*"}, False),
        ({"Action": "ec2-instance-connect:OpenTunnel", "Resource": "*"}, False),
        ({"Action": SERIAL, "Resource": "*"}, False),
    ],
)
def test_a_push_needs_a_policy_that_fits_its_instance_its_os_user_and_its_caller(
    shared_world: Fleet, statement: Dict[str, object], allowed: bool
) -> None:
    shared_world.instance().forget_keys()
    shared_world.attach("alice", {"Effect": "Allow", **statement})
    if allowed:
        assert push(shared_world, "alice")["Success"]
    else:
        assert problem(lambda: push(shared_world, "alice")) == ("AccessDeniedException", 400)
    assert bool(active_keys(shared_world, "ec2-user")) is allowed


def test_a_refused_push_says_who_may_not_do_what_in_the_words_of_iam(shared_world: Fleet) -> None:
    with pytest.raises(ClientError) as refused:
        push(shared_world, "bob")
    assert refused.value.response["Error"]["Message"] == (
        f"User: arn:aws:iam::123456789012:user/bob is not authorized to perform: {PUSH} on resource: "
        f"arn:aws:ec2:us-east-1:123456789012:instance/{FIRST} because no identity-based policy allows the {PUSH} action"
    )


@pytest.mark.parametrize("instance_id", [FIRST, STOPPED, "i-00000000000000002"])
def test_a_caller_without_permission_does_not_learn_whether_the_instance_exists(
    shared_world: Fleet, instance_id: str
) -> None:
    assert problem(lambda: push(shared_world, "bob", instance_id)) == ("AccessDeniedException", 400)


def test_a_caller_of_another_account_pushes_nothing_though_its_policies_allow_everything(world: Fleet) -> None:
    assert problem(lambda: push(world, "mallory")) == ("EC2InstanceNotFoundException", 400)
    assert not active_keys(world, "ec2-user")
    push(world, "mallory", FOREIGN)
    assert not active_keys(world, "ec2-user")


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_a_push_to_an_instance_that_does_not_run_is_refused(world: Fleet, state: State) -> None:
    world.instance(THIRD).machine.state = state
    assert problem(lambda: push(world, "admin", THIRD)) == ("EC2InstanceStateInvalidException", 400)


def test_an_object_with_two_values_for_a_member_is_authorised_for_the_one_that_counts(world: Fleet) -> None:
    """The trail shows that one too, whatever the spelling of the other."""
    condition = {"StringEquals": {"ec2:osuser": "ec2-user"}}
    world.attach("alice", {"Effect": "Allow", "Action": PUSH, "Resource": "*", "Condition": condition})
    members = json.dumps({"InstanceId": FIRST, "InstanceOSUser": "ec2-user", "SSHPublicKey": KEY})
    body = '{"InstanceOSUser": "root", ' + members[1:-1] + ', "instanceOSUser": "x", "instanceId": "i-0"}'
    assert json_call(world, PUSH_TARGET, body.encode(), "alice").status_code == 200
    assert not active_keys(world, "root")
    assert active_keys(world, "ec2-user")
    shown = world.events[-1]["requestParameters"]
    assert (shown["instanceOSUser"], shown["instanceId"]) == ("ec2-user", FIRST)


def test_a_key_for_the_serial_console_needs_a_permission_of_its_own(shared_world: Fleet) -> None:
    shared_world.attach("bob", {"Effect": "Allow", "Action": PUSH, "Resource": "*"})
    assert problem(lambda: serial(shared_world, "bob")) == ("AccessDeniedException", 400)


@pytest.mark.parametrize(
    ("arguments", "enabled", "error"),
    [
        ({}, False, "SerialConsoleAccessDisabledException"),
        ({}, True, "SerialConsoleSessionUnsupportedException"),
        ({"SerialPort": 0}, True, "SerialConsoleSessionUnsupportedException"),
        ({"SerialPort": 1}, True, "InvalidArgsException"),
        ({"SerialPort": True}, True, "InvalidArgsException"),
        ({"SerialPort": "0"}, True, "InvalidArgsException"),
        ({"instance_id": SECOND}, True, "EC2InstanceTypeInvalidException"),
        ({"instance_id": STOPPED}, True, "EC2InstanceStateInvalidException"),
        ({"instance_id": FOREIGN}, True, "EC2InstanceNotFoundException"),
        ({"instance_id": "x"}, True, "InvalidArgsException"),
    ],
)
def test_a_key_for_the_serial_console_gets_the_error_of_the_service(
    shared_world: Fleet, arguments: Dict[str, Any], enabled: bool, error: str
) -> None:
    shared_world.region.serial_console = enabled
    assert problem(lambda: serial(shared_world, **arguments)) == (error, 400)


@pytest.mark.parametrize(
    ("instance_type", "error"),
    [
        *((name, "EC2InstanceTypeInvalidException") for name in ("t2.micro", "m4.large", "i3.large", "x1e.xlarge")),
        *(
            (name, "SerialConsoleSessionUnsupportedException")
            for name in ("t3.micro", "a1.medium", "z1d.large", "inf1.xlarge", "i3.metal", "i3en.large", "p4d.24xlarge")
        ),
    ],
)
def test_only_instances_on_nitro_have_a_serial_console(shared_world: Fleet, instance_type: str, error: str) -> None:
    shared_world.region.serial_console = True
    shared_world.instance(THIRD).machine.instance_type = instance_type
    assert problem(lambda: serial(shared_world, instance_id=THIRD)) == (error, 400)


def test_the_service_has_no_other_operations() -> None:
    assert set(OPERATIONS) == {"SendSSHPublicKey", "SendSerialConsoleSSHPublicKey"}
