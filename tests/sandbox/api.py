# SPDX-License-Identifier: Apache-2.0
"""Requests to the sandbox's EC2 Instance Connect API, by the real AWS SDK."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator

from botocore.config import Config

from eic_sandbox.server import Sandbox
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


def push(sandbox: Sandbox, key: str, **changed: str) -> Dict[str, Any]:
    """The answer to SendSSHPublicKey with these arguments."""
    arguments = {"InstanceId": ID, "InstanceOSUser": "root", "SSHPublicKey": key, **changed}
    with client(sandbox) as made:
        answer: Dict[str, Any] = made.send_ssh_public_key(**arguments)
        return answer
