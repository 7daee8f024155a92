# SPDX-License-Identifier: Apache-2.0
"""Roles, and sessions of them through boto3."""

from __future__ import annotations

from typing import Any, Dict, Union

from botocore.credentials import Credentials

from eic_sandbox.cloud.principals import Account, Role
from eic_sandbox.iam.policy import parse_trust

from ..fleet import Fleet
from ..fleet_world import ACCOUNT

ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Tested"
ASSUME = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": ROLE}
DENIED = ("AccessDenied", 403)
Statement = Dict[str, Any]


def add_role(world: Fleet, *trust: Statement, name: str = "Tested", max_duration: int = 3600) -> Role:
    """A role with this trust policy; it replaces one with the same name."""
    statements = [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], **one} for one in trust]
    document = {"Version": "2012-10-17", "Statement": statements}
    account = Account(ACCOUNT)
    role = Role(account, name, "AROATESTED", parse_trust(document, "trust"), max_duration=max_duration)
    roles = world.sandbox.cloud.directory.roles
    roles[:] = [*(one for one in roles if one.name != name), role]
    return role


def assume(world: Fleet, who: Union[str, Any] = "alice", role: str = ROLE, **more: Any) -> Dict[str, Any]:
    client = world.client("sts", who) if isinstance(who, str) else who
    answer: Dict[str, Any] = client.assume_role(**{"RoleArn": role, "RoleSessionName": "session", **more})
    return answer


def as_session(world: Fleet, answer: Dict[str, Any], service: str) -> Any:
    """boto3's client of a service with the credentials in an answer."""
    found = answer["Credentials"]
    return world.client_with(
        service, Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    )
