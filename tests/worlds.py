# SPDX-License-Identifier: Apache-2.0
"""The world file of the tests with real clients: who may do what, and two instances behind an endpoint."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence

from eic_sandbox.imds.metadata import InstanceMetadata

REGION = InstanceMetadata().region
ACCOUNT = "123456789012"
INSTANCE, ADDRESS = InstanceMetadata().instance_id, "10.0.1.10"
CLOSED, CLOSED_ADDRESS = "i-0fedcba9876543210", "10.0.1.11"
"""An instance whose security group lets nothing in."""
ENDPOINT, ENDPOINT_ADDRESS = "eice-0123456789abcdef0", "10.0.1.200"
OUTSIDE = "192.168.1.10"
"""An address of no VPC."""
OTHER_SUBNET, OTHER_ADDRESS, OTHER_ENDPOINT_ADDRESS = "subnet-0fedcba9876543210", "10.1.1.10", "10.1.1.254"
"""A subnet of another VPC, an instance in it, and the address that an endpoint in it gets."""

# Alice may do everything; the others lack one permission each.
ALICE, NO_TUNNELS, NO_KEYS = "alice", "no-tunnels", "no-keys"
TUNNEL_POLICY = "tunnels"
_POLICIES = {
    "describes": ["ec2:Describe*"],
    "keys": ["ec2-instance-connect:SendSSHPublicKey"],
    TUNNEL_POLICY: ["ec2-instance-connect:OpenTunnel"],
    "endpoints": ["ec2:*InstanceConnectEndpoint", "ec2:CreateNetworkInterface", "iam:CreateServiceLinkedRole"],
}
_USERS = {ALICE: list(_POLICIES), NO_TUNNELS: ["describes", "keys"], NO_KEYS: ["describes", TUNNEL_POLICY]}
_GROUP, _CLOSED_GROUP, _ENDPOINT_GROUP, _OTHER_GROUP = (f"sg-{number:017x}" for number in range(1, 5))
_ANYWHERE = [{"ports": "all", "sources": ["0.0.0.0/0"]}]
_TO_ANYWHERE = [{"ports": "all", "destinations": ["0.0.0.0/0"]}]


def arn(user: str) -> str:
    """The ARN of a user."""
    return f"arn:aws:iam::{ACCOUNT}:user/{user}"


def world(
    imds: Optional[str] = None, servers: Optional[Mapping[int, str]] = None, public_ip: Optional[str] = None
) -> Dict[str, object]:
    """The document; JSON is YAML. `imds` and `servers` are ADDRESS:PORT, as the world file has them for an instance."""
    instance: Dict[str, object] = {"subnet": "subnet-0123456789abcdef0", "imds": imds, "public_ip": public_ip}
    instance["servers"] = {str(port): listener for port, listener in (servers or {}).items()}
    first = {**instance, "private_ip": ADDRESS, "security_groups": [_GROUP]}
    closed = {**instance, "private_ip": CLOSED_ADDRESS, "security_groups": [_CLOSED_GROUP], "imds": None}
    other = {"subnet": OTHER_SUBNET, "private_ip": OTHER_ADDRESS, "security_groups": [_OTHER_GROUP]}
    endpoint = {
        "subnet": "subnet-0123456789abcdef0",
        "private_ip": ENDPOINT_ADDRESS,
        "security_groups": [_ENDPOINT_GROUP],
    }
    region = {
        "vpcs": _vpcs(),
        "instances": {INSTANCE: first, CLOSED: closed, "i-00000000000000003": other},
        "endpoints": {ENDPOINT: endpoint},
    }
    users = {
        name: {"access_keys": {f"AKIAEXAMPLE{number:09}": f"secret of {name}".replace(" ", "-")}, "policies": policies}
        for number, (name, policies) in enumerate(_USERS.items())
    }
    return {
        "endpoint_delay": 1,
        "policies": {name: _policy(actions) for name, actions in _POLICIES.items()},
        "accounts": {ACCOUNT: {"users": users, "regions": {REGION: region}}},
    }


def _policy(actions: Sequence[str]) -> Dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


def _vpcs() -> Dict[str, object]:
    groups = {
        _GROUP: {"ingress": [{"ports": "all", "sources": [_ENDPOINT_GROUP]}]},
        _CLOSED_GROUP: {},
        _ENDPOINT_GROUP: {"egress": _TO_ANYWHERE},
    }
    open_group = {"name": "default", "ingress": _ANYWHERE, "egress": _TO_ANYWHERE}
    return {
        "vpc-0123456789abcdef0": {
            "cidrs": ["10.0.0.0/16"],
            "subnets": {"subnet-0123456789abcdef0": {"cidr": "10.0.1.0/24"}},
            "security_groups": groups,
        },
        "vpc-0fedcba9876543210": {
            "cidrs": ["10.1.0.0/16"],
            "subnets": {OTHER_SUBNET: {"cidr": "10.1.1.0/24"}},
            "security_groups": {_OTHER_GROUP: open_group},
        },
    }
