# SPDX-License-Identifier: Apache-2.0
"""Who calls the APIs: IAM users, and sessions of IAM roles.

Source: IAM User Guide, "IAM identifiers", "AWS STS: session principals".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Sequence, Tuple, Union

from ..iam.patterns import ascii_lower
from ..iam.policy import Policy


@dataclass(frozen=True)
class Account:
    """An AWS account: twelve digits, in a partition."""

    id: str
    partition: str = "aws"


@dataclass
class User:
    """An IAM user. `policies` are those that are attached now, by name."""

    account: Account
    name: str
    unique_id: str
    path: str = "/"
    tags: Dict[str, str] = field(default_factory=dict)
    policies: Dict[str, Policy] = field(default_factory=dict)

    kind = "IAMUser"

    @property
    def arn(self) -> str:
        """The user's ARN."""
        return f"arn:{self.account.partition}:iam::{self.account.id}:user{self.path}{self.name}"

    @property
    def principal_arn(self) -> str:
        """The value of aws:PrincipalArn."""
        return self.arn

    @property
    def policy_sets(self) -> Tuple[Sequence[Policy], ...]:
        """The policies that decide: each set must allow a request."""
        return (list(self.policies.values()),)


@dataclass
class Role:
    """An IAM role. `trust` is the policy of who may assume it; `max_duration` is that of its sessions, in seconds."""

    account: Account
    name: str
    unique_id: str
    trust: Policy
    path: str = "/"
    max_duration: int = 3600
    tags: Dict[str, str] = field(default_factory=dict)
    policies: Dict[str, Policy] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The role's ARN."""
        return f"arn:{self.account.partition}:iam::{self.account.id}:role{self.path}{self.name}"


@dataclass(frozen=True)
class Session:
    """A session of a role, from AssumeRole. `policy` is that of the session, which restricts those of the role.

    `issued` and `expires` are in seconds since the epoch.
    """

    role: Role
    name: str
    issued: float
    expires: float
    session_tags: Tuple[Tuple[str, str], ...] = ()
    policy: Optional[Policy] = None

    kind = "AssumedRole"

    @property
    def account(self) -> Account:
        """The account of the role."""
        return self.role.account

    @property
    def arn(self) -> str:
        """The session's ARN, without the path of the role."""
        return f"arn:{self.account.partition}:sts::{self.account.id}:assumed-role/{self.role.name}/{self.name}"

    @property
    def principal_arn(self) -> str:
        """The value of aws:PrincipalArn: the ARN of the role."""
        return self.role.arn

    @property
    def unique_id(self) -> str:
        """The value of aws:userid."""
        return f"{self.role.unique_id}:{self.name}"

    @property
    def tags(self) -> Dict[str, str]:
        """The tags of the role, and those of the session, which count where both have a key, in any case of A to Z."""
        own = {ascii_lower(key) for key, _ in self.session_tags}
        of_role = {key: value for key, value in self.role.tags.items() if ascii_lower(key) not in own}
        return {**of_role, **dict(self.session_tags)}

    @property
    def policy_sets(self) -> Tuple[Sequence[Policy], ...]:
        """The policies that decide: each set must allow a request."""
        own: Tuple[Sequence[Policy], ...] = ([self.policy],) if self.policy else ()
        return (list(self.role.policies.values()), *own)


Principal = Union[User, Session]


@dataclass(frozen=True)
class Credentials:
    """An access key and whose it is; `token` is None for a user's own key."""

    access_key_id: str
    secret: str
    principal: Principal
    token: Optional[str] = None
