# SPDX-License-Identifier: Apache-2.0
"""boto3's clients of a sandbox's APIs, and a push through one."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from eic_sandbox.world.single import ACCESS_KEY_ID, SECRET


def instance_connect(endpoint: str, region: str, **options: Any) -> Any:
    """boto3's client of EC2 Instance Connect as the user of a sandbox without a world file; boto3 has no types."""
    return client("ec2-instance-connect", endpoint, region, ACCESS_KEY_ID, SECRET, **options)


def client(
    service: str, endpoint: str, region: str, key_id: str, secret: str, token: Optional[str] = None, **options: Any
) -> Any:
    """boto3's client of a service of a sandbox."""
    import boto3

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        **options,
    )


def push(endpoint: str, instance: Mapping[str, str], user: str, line: str) -> str:
    """Push the public key `line`; `instance` is the instance's metadata in sandbox.json. Returns the request id."""
    service = instance_connect(endpoint, instance["region"])
    answer = service.send_ssh_public_key(InstanceId=instance["instance_id"], InstanceOSUser=user, SSHPublicKey=line)
    if answer["Success"] is not True:
        raise RuntimeError(f"SendSSHPublicKey did not succeed: {answer}")
    return str(answer["RequestId"])
