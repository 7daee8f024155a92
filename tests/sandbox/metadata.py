# SPDX-License-Identifier: Apache-2.0
"""Requests to the sandbox's IMDS."""

from __future__ import annotations

import requests

from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sandbox.server import Sandbox

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
ID = InstanceMetadata().instance_id


def token(session: requests.Session, sandbox: Sandbox, ttl: str = "60") -> requests.Response:
    return session.put(f"{sandbox.endpoints['imds']}/latest/api/token", headers={TTL: ttl}, timeout=5)


def read(session: requests.Session, sandbox: Sandbox, path: str, **headers: str) -> requests.Response:
    headers = headers or {TOKEN: token(session, sandbox).text}
    return session.get(f"{sandbox.endpoints['imds']}/latest/meta-data/{path}", headers=headers, timeout=5)
