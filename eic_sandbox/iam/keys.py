# SPDX-License-Identifier: Apache-2.0
"""The condition keys that the sandbox supplies, and for which actions.

Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2" and "... for Amazon EC2
Instance Connect"; IAM User Guide, "AWS global condition context keys".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from . import patterns
from .patterns import ascii_lower
from .policy import Policy

_EVERY_ACTION = ("*",)
_PUSH = ("ec2-instance-connect:SendSSHPublicKey",)
_CONSOLE = ("ec2-instance-connect:SendSerialConsoleSSHPublicKey",)
_TUNNEL = ("ec2-instance-connect:OpenTunnel",)
_CREATE = ("ec2:CreateInstanceConnectEndpoint", "ec2:CreateNetworkInterface", "ec2:CreateTags")
_ASSUME = ("sts:AssumeRole", "sts:TagSession")
_TAGGED = (
    *_PUSH,
    *_CONSOLE,
    *_TUNNEL,
    "ec2:ModifyInstanceConnectEndpoint",
    "ec2:DeleteInstanceConnectEndpoint",
    "ec2:CreateTags",
    "ec2:DeleteTags",
)


@dataclass(frozen=True)
class SuppliedKey:
    """A key, or with a final slash all keys that begin with it; and the patterns of the actions that have it."""

    name: str
    actions: Tuple[str, ...] = _EVERY_ACTION

    def covers(self, key: str) -> bool:
        """Whether `key`, in any case, is this key."""
        name, key = ascii_lower(self.name), ascii_lower(key)
        return key.startswith(name) and len(key) > len(name) if name.endswith("/") else key == name


SUPPLIED: Tuple[SuppliedKey, ...] = (
    SuppliedKey("aws:CurrentTime"),
    SuppliedKey("aws:EpochTime"),
    SuppliedKey("aws:PrincipalAccount"),
    SuppliedKey("aws:PrincipalArn"),
    SuppliedKey("aws:PrincipalTag/"),
    SuppliedKey("aws:PrincipalType"),
    SuppliedKey("aws:RequestedRegion"),
    SuppliedKey("aws:SecureTransport"),
    SuppliedKey("aws:SourceIp"),
    SuppliedKey("aws:TokenIssueTime"),
    SuppliedKey("aws:UserAgent"),
    SuppliedKey("aws:userid"),
    SuppliedKey("aws:username"),
    SuppliedKey("aws:RequestTag/", (*_CREATE, *_ASSUME)),
    SuppliedKey("aws:TagKeys", (*_CREATE, *_ASSUME, "ec2:DeleteTags")),
    SuppliedKey("aws:ResourceTag/", (*_TAGGED, *_ASSUME)),
    SuppliedKey("ec2:ResourceTag/", _TAGGED),
    SuppliedKey("ec2:CreateAction", ("ec2:CreateTags",)),
    SuppliedKey("ec2:Region", ("ec2:*",)),
    SuppliedKey("ec2:osuser", _PUSH),
    SuppliedKey("ec2-instance-connect:maxTunnelDuration", _TUNNEL),
    SuppliedKey("ec2-instance-connect:privateIpAddress", _TUNNEL),
    SuppliedKey("ec2-instance-connect:remotePort", _TUNNEL),
    SuppliedKey("sts:ExternalId", _ASSUME),
    SuppliedKey("sts:RoleSessionName", _ASSUME),
)
"""Some depend on the principal: an assumed role has no `aws:username`, a user no `aws:TokenIssueTime`.
`aws:MultiFactorAuthPresent` and the keys of VPC endpoints and organizations are never supplied."""


def is_supplied(key: str, action: str) -> bool:
    """Whether the sandbox can supply the key for this action."""
    folded = ascii_lower(action)
    return any(
        supplied.covers(key)
        and any(patterns.matches(patterns.wild(ascii_lower(pattern)), folded) for pattern in supplied.actions)
        for supplied in SUPPLIED
    )


def unsupplied(policy: Policy) -> Sequence[str]:
    """The keys that the policy names and that the sandbox never supplies, sorted; in the policy's spelling."""
    return [key for key in policy.condition_keys if not any(supplied.covers(key) for supplied in SUPPLIED)]
