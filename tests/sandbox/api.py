# SPDX-License-Identifier: Apache-2.0
"""Requests to the sandbox's EC2 Instance Connect API, by the real AWS SDK."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from eic_sandbox.server import Sandbox
from eic_sandbox.world.single import ACCESS_KEY_ID, SECRET
from testbed import aws_sdk

from .metadata import ID


@contextlib.contextmanager
def client(sandbox: Sandbox, **config: Any) -> Iterator[Any]:
    """A client that sends each request once, whatever its arguments."""
    options = Config(retries={"total_max_attempts": 1}, parameter_validation=False, proxies={}, **config)
    made = aws_sdk.instance_connect(sandbox.endpoints["api"], "us-west-2", config=options)
    try:
        yield made
    finally:
        made.close()


def signed_headers(
    method: str, url: str, body: bytes, headers: Mapping[str, str], service: str = "ec2-instance-connect"
) -> Dict[str, str]:
    """The headers of a request with the signature of the user of a sandbox without a world file."""
    request = AWSRequest(method, url, dict(headers), body)
    SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET), service, "us-west-2").add_auth(request)
    return dict(request.headers.items())


def push(sandbox: Sandbox, key: str, **changed: str) -> Dict[str, Any]:
    """The answer to SendSSHPublicKey with these arguments."""
    arguments = {"InstanceId": ID, "InstanceOSUser": "root", "SSHPublicKey": key, **changed}
    with client(sandbox) as made:
        answer: Dict[str, Any] = made.send_ssh_public_key(**arguments)
        return answer
