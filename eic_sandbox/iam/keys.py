# SPDX-License-Identifier: Apache-2.0
"""The condition keys that the sandbox supplies; docs/sandbox.md, "IAM", lists for which requests.

Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2" and "... for Amazon EC2
Instance Connect"; IAM User Guide, "AWS global condition context keys".
"""

from __future__ import annotations

from typing import Sequence

from .patterns import ascii_lower
from .policy import Policy

SUPPLIED = (
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalTag/",
    "aws:PrincipalType",
    "aws:RequestTag/",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:ResourceTag/",
    "aws:SecureTransport",
    "aws:SourceIp",
    "aws:TagKeys",
    "aws:TokenIssueTime",
    "aws:UserAgent",
    "aws:ViaAWSService",
    "aws:userid",
    "aws:username",
    "ec2:CreateAction",
    "ec2:Region",
    "ec2:ResourceTag/",
    "ec2:osuser",
    "ec2-instance-connect:maxTunnelDuration",
    "ec2-instance-connect:privateIpAddress",
    "ec2-instance-connect:remotePort",
    "iam:ResourceTag/",
    "sts:ExternalId",
    "sts:RoleSessionName",
)
"""A name with a final slash is that of all keys that begin with it. Those of VPC endpoints and
organizations are never supplied."""


def is_supplied(key: str) -> bool:
    """Whether some request in the sandbox can have `key`, in any case."""
    folded = ascii_lower(key)
    for name in map(ascii_lower, SUPPLIED):
        if folded == name and not name.endswith("/"):
            return True
        if name.endswith("/") and folded.startswith(name) and folded != name:
            return True
    return False


def unsupplied(policy: Policy) -> Sequence[str]:
    """The keys that the policy names and that the sandbox never supplies, sorted; in the policy's spelling."""
    return [key for key in policy.condition_keys if not is_supplied(key)]
