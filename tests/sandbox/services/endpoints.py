# SPDX-License-Identifier: Apache-2.0
"""Calls about EC2 Instance Connect Endpoints, by boto3. `FREE` is a subnet whose VPC has none."""

from __future__ import annotations

from typing import Any, Dict, List

from ..fleet import Fleet
from ..fleet_world import ENDPOINT

FREE = "subnet-00000000000000003"
TYPE = "instance-connect-endpoint"
TAGS = [{"ResourceType": TYPE, "Tags": [{"Key": "team", "Value": "blue"}, {"Key": "Team", "Value": ""}]}]


def create(world: Fleet, subnet: str = FREE, who: str = "admin", **more: Any) -> Dict[str, Any]:
    answer: Dict[str, Any] = world.client("ec2", who).create_instance_connect_endpoint(SubnetId=subnet, **more)
    return answer


def describe(world: Fleet, who: str = "admin", **arguments: Any) -> List[Dict[str, Any]]:
    answer = world.client("ec2", who).describe_instance_connect_endpoints(**arguments)
    found: List[Dict[str, Any]] = answer["InstanceConnectEndpoints"]
    return found


def modify(world: Fleet, endpoint: str = ENDPOINT, who: str = "admin", **settings: Any) -> Any:
    return world.client("ec2", who).modify_instance_connect_endpoint(InstanceConnectEndpointId=endpoint, **settings)


def delete(world: Fleet, endpoint: str = ENDPOINT, who: str = "admin", **more: Any) -> Any:
    return world.client("ec2", who).delete_instance_connect_endpoint(InstanceConnectEndpointId=endpoint, **more)
