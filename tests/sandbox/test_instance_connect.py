# SPDX-License-Identifier: Apache-2.0
"""The sandbox's EC2 Instance Connect API, through the real AWS SDK."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Dict

import pytest
import requests
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from eic_sandbox.server import Sandbox
from testbed import keys

from .api import client, push, signed_headers
from .metadata import ID, read


def test_a_key_pushed_through_the_sdk_appears_in_imds(
    session: requests.Session, sandbox: Sandbox, ed25519: str
) -> None:
    answer = push(sandbox, ed25519, AvailabilityZone="us-west-2a")
    assert answer["Success"] is True
    blob = read(session, sandbox, "managed-ssh-keys/active-keys/root").text
    assert f"#Request={answer['RequestId']}\n" in blob
    assert "#Caller=arn:aws:iam::123456789012:user/sandbox\n" in blob
    assert f"{ed25519}\n" in blob


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_an_rsa_key_of_at_least_2048_bits_is_accepted(sandbox: Sandbox, bits: int) -> None:
    assert push(sandbox, keys.rsa_line(bits))["Success"]


def ssh2(line: str, folder: Path) -> str:
    """The key in the format of RFC 4716, by ssh-keygen."""
    (folder / "key.pub").write_text(f"{line}\n")
    command = ["ssh-keygen", "-e", "-m", "RFC4716", "-f", str(folder / "key.pub")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("bits", [2048, 4096])
def test_an_rsa_key_in_the_format_of_rfc_4716_is_accepted(
    session: requests.Session, sandbox: Sandbox, tmp_path: Path, bits: int
) -> None:
    line = keys.rsa_line(bits)
    text = ssh2(line, tmp_path)
    headers = "Subject: someone\nX-Long: a header that is \\\ncontinued: here\n"
    for variant in (text, text.replace("Comment:", f"{headers}Comment:", 1), text.replace("\n", "\r\n")):
        sandbox.instance.forget_keys()
        assert push(sandbox, variant)["Success"]
        blob = read(session, sandbox, "managed-ssh-keys/active-keys/root").text
        assert " ".join(line.split()[:2]) in blob.splitlines()


def test_other_keys_in_the_format_of_rfc_4716_are_refused(sandbox: Sandbox, ed25519: str, tmp_path: Path) -> None:
    text = ssh2(keys.rsa_line(2048), tmp_path)
    lines = text.splitlines()
    bad = [
        ssh2(ed25519, tmp_path),
        ssh2(keys.rsa_line(1024), tmp_path),
        text.replace("END", "FIN"),
        "\n".join([*lines[:2], "".join(lines[2:-1]), lines[-1]]),
        "\n".join([*lines[:3], lines[-1]]),
        "\n".join([*lines[:3], "%%%", *lines[3:]]),
        "\n".join([lines[0], "AAAA" * 10, lines[-1]]),
    ]
    for one in bad:
        with pytest.raises(ClientError) as caught:
            push(sandbox, one)
        assert caught.value.response["Error"]["Code"] == "InvalidArgsException"


BAD = [
    ({"InstanceId": "i-xyz"}, "InvalidArgsException"),
    ({"InstanceId": ""}, "InvalidArgsException"),
    ({"InstanceId": "i-0fedcba9876543210"}, "EC2InstanceNotFoundException"),
    ({"AvailabilityZone": "us-west-2b"}, "EC2InstanceNotFoundException"),
    ({"AvailabilityZone": "nowhere"}, "InvalidArgsException"),
    ({"InstanceOSUser": "../root"}, "InvalidArgsException"),
    ({"InstanceOSUser": ""}, "InvalidArgsException"),
    ({"InstanceOSUser": "x" * 33}, "InvalidArgsException"),
    ({"SSHPublicKey": ""}, "InvalidArgsException"),
    ({"SSHPublicKey": "ssh-ed25519 AAAA"}, "InvalidArgsException"),
    ({"SSHPublicKey": "x" * 5000}, "InvalidArgsException"),
    ({"SSHPublicKey": f"{keys.ed25519_line()}\n{keys.ed25519_line()}"}, "InvalidArgsException"),
    ({"SSHPublicKey": keys.dsa_line()}, "InvalidArgsException"),
    ({"SSHPublicKey": keys.rsa_line(1024)}, "InvalidArgsException"),
    ({"SSHPublicKey": keys.every_type()["ecdsa-sha2-nistp256"].decode()}, "InvalidArgsException"),
]


@pytest.mark.parametrize(("changed", "error"), BAD)
def test_invalid_arguments_get_the_error_of_the_service(
    sandbox: Sandbox, ed25519: str, changed: Dict[str, str], error: str
) -> None:
    with pytest.raises(ClientError) as caught:
        push(sandbox, ed25519, **changed)
    assert caught.value.response["Error"]["Code"] == error
    assert caught.value.response["Error"]["Message"]
    assert sandbox.instance.read("managed-ssh-keys/active-keys/root") is None


FAULTS = {
    "api-auth": "AuthException",
    "api-throttling": "ThrottlingException",
    "api-service": "ServiceException",
    "api-instance-stopped": "EC2InstanceStateInvalidException",
    "api-instance-unavailable": "EC2InstanceUnavailableException",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_error_of_the_api_can_be_set(sandbox: Sandbox, ed25519: str, fault: str) -> None:
    sandbox.instance.faults.set(fault, times=1)
    with pytest.raises(ClientError) as caught:
        push(sandbox, ed25519)
    assert caught.value.response["Error"]["Code"] == FAULTS[fault]
    assert push(sandbox, ed25519)["Success"]


def test_an_unsigned_request_to_the_api_is_refused(sandbox: Sandbox, ed25519: str) -> None:
    with client(sandbox, signature_version=UNSIGNED) as made, pytest.raises(ClientError) as caught:
        made.send_ssh_public_key(InstanceId=ID, InstanceOSUser="root", SSHPublicKey=ed25519)
    assert caught.value.response["Error"]["Code"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("body", ["", "[]", "{", '{"InstanceId": 1}'])
def test_a_body_that_is_not_a_json_object_of_strings_is_refused(
    session: requests.Session, sandbox: Sandbox, body: str
) -> None:
    headers = {"X-Amz-Target": "AWSEC2InstanceConnectService.SendSSHPublicKey"}
    signed = signed_headers("POST", f"{sandbox.endpoints['api']}/", body.encode(), headers)
    answer = session.post(sandbox.endpoints["api"], data=body, headers=signed, timeout=5)
    assert (answer.status_code, answer.json()["__type"]) == (400, "SerializationException")


def test_an_operation_that_the_sandbox_lacks_is_unknown(session: requests.Session, sandbox: Sandbox) -> None:
    headers = {"X-Amz-Target": "AWSEC2InstanceConnectService.SendEverything"}
    signed = signed_headers("POST", f"{sandbox.endpoints['api']}/", b"{}", headers)
    answer = session.post(sandbox.endpoints["api"], data=b"{}", headers=signed, timeout=5)
    assert (answer.status_code, answer.json()["__type"]) == (400, "UnknownOperationException")
