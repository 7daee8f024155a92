# SPDX-License-Identifier: Apache-2.0
"""EC2's API for EC2 Instance Connect Endpoints: Create-, Describe-, Modify- and DeleteInstanceConnectEndpoint.

Names are from the service model that botocore ships (ec2, version 2016-11-15) and the EC2 API Reference. What the
caller needs is from the EC2 User Guide, "Permissions for EC2 Instance Connect Endpoint": its policy for administrators
grants all three changes on subnets, and the Service Authorization Reference names the endpoint. Either is enough here,
and a deny of either counts. aws:ResourceTag has the tags of what exists: of the endpoint, or of the subnet that gets a
new one. It is the same for both, or a condition on it could be met by the one without tags.

What the Region refuses (ChangeRefused) becomes a ServiceError in the gateway, as AccessDenied does.
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping

from ..cloud.access import Keys, KeyValue
from ..cloud.endpoint import Endpoint, EndpointSettings, tag_keys
from ..cloud.region import Region
from . import filters
from .call import Call
from .ec2 import dry_run
from .errors import ServiceError
from .query_protocol import Members, Query, time_of

_PAGE = range(1, 51)
_ID = re.compile(r"eice-[0-9a-f]{8,17}")
_SUBNET_ID = re.compile(r"subnet-[0-9a-f]{8,17}")
_MAX_TOKEN = 64  # characters
_RESOURCE_TYPE = "instance-connect-endpoint"
_ADDRESS_TYPES = ("ipv4", "dualstack", "ipv6")
_MAX_TAGS, _MAX_KEY, _MAX_VALUE = 50, 128, 256


def create(call: Call, query: Query) -> Members:
    """A new endpoint."""
    region = call.region
    subnet_id = query.text("SubnetId")
    if not _SUBNET_ID.fullmatch(subnet_id):
        raise ServiceError("InvalidSubnetID.Malformed", f"The subnet ID '{subnet_id[:64]}' is malformed")
    subnet = region.subnets.get(subnet_id)
    settings = _settings(query, EndpointSettings(()))
    tags = _tags(query)
    token = query.text("ClientToken", "")
    if len(token) > _MAX_TOKEN:
        raise ServiceError("InvalidParameterValue", f"ClientToken has over {_MAX_TOKEN} characters")
    query.flag("DryRun")
    query.require_known()
    keys: Dict[str, KeyValue] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if tags:
        keys["aws:TagKeys"] = tuple(tags)
    keys.update(tag_keys(subnet.tags) if subnet else {})
    resources = dict.fromkeys([region.arn(f"subnet/{subnet_id}"), region.arn(f"{_RESOURCE_TYPE}/*")], keys)
    _require_any(call, "ec2:CreateInstanceConnectEndpoint", resources)
    _require_any(call, "ec2:CreateNetworkInterface", resources)
    if tags:
        creation = {"ec2:CreateAction": "CreateInstanceConnectEndpoint"}
        with_action = {resource: {**found, **creation} for resource, found in resources.items()}
        _require_any(call, "ec2:CreateTags", with_action)
    if subnet is None:
        raise ServiceError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
    dry_run(query)
    made = region.create_endpoint(subnet_id, settings, tags, token, call.origin.now)
    return {"instanceConnectEndpoint": _endpoint(region, made, call.origin.now), "clientToken": made.client_token}


def describe(call: Call, query: Query) -> Members:
    """Endpoints."""
    call.require("ec2:DescribeInstanceConnectEndpoints")
    region, now = call.region, call.origin.now
    known = {one.id: one for one in region.described_endpoints(now)}
    ids = query.texts("InstanceConnectEndpointId")
    for one in ids:
        _require_endpoint_id(one)
        if one not in known:
            raise ServiceError(
                "InvalidInstanceConnectEndpointId.NotFound",
                f"The instance connect endpoint ID '{one}' does not exist",
            )
    fields = {
        "instance-connect-endpoint-id": lambda one: [one.id],
        "state": lambda one: [one.state(now).value],
        "subnet-id": lambda one: [one.subnet_id],
        "vpc-id": lambda one: [one.vpc_id],
    }
    chosen = [one for one in known.values() if not ids or one.id in ids]
    shown, token = filters.page(query, filters.matching(query, chosen, fields, lambda one: one.tags), _PAGE)
    dry_run(query)
    return {"instanceConnectEndpointSet": [_endpoint(region, one, now) for one in shown], "nextToken": token}


def modify(call: Call, query: Query) -> Members:
    """Changes an endpoint's settings."""
    endpoint = _named(call, query, "ec2:ModifyInstanceConnectEndpoint")
    settings = _settings(query, endpoint.settings)
    query.require_known()
    dry_run(query)
    call.region.modify_endpoint(endpoint, settings, call.origin.now)
    return {"return": True}


def delete(call: Call, query: Query) -> Members:
    """Deletes an endpoint; open tunnels go on until they end."""
    endpoint = _named(call, query, "ec2:DeleteInstanceConnectEndpoint")
    query.require_known()
    dry_run(query)
    call.region.delete_endpoint(endpoint, call.origin.now)
    return {"instanceConnectEndpoint": _endpoint(call.region, endpoint, call.origin.now)}


def _named(call: Call, query: Query, action: str) -> Endpoint:
    """The endpoint that a request names, once the caller may do this with it."""
    endpoint_id = query.text("InstanceConnectEndpointId")
    _require_endpoint_id(endpoint_id)
    query.flag("DryRun")
    region = call.region
    found = region.endpoints.get(endpoint_id)
    keys = found.tag_keys() if found else {}
    names = [f"{_RESOURCE_TYPE}/{endpoint_id}", *([f"subnet/{found.subnet_id}"] if found else [])]
    _require_any(call, action, dict.fromkeys(map(region.arn, names), keys))
    return region.endpoint(endpoint_id, call.origin.now)


def _require_any(call: Call, action: str, resources: Mapping[str, Keys]) -> None:
    """Raises AccessDenied unless the action is allowed on one of the resources, and denied on none."""
    for resource, keys in resources.items():
        if call.denied(action, resource, keys):
            call.require(action, resource, keys)
    if not any(call.allowed(action, resource, keys) for resource, keys in resources.items()):
        resource, keys = next(iter(resources.items()))
        call.require(action, resource, keys)


def _require_endpoint_id(endpoint_id: str) -> None:
    if not _ID.fullmatch(endpoint_id):
        raise ServiceError(
            "InvalidInstanceConnectEndpointId.Malformed",
            f"The instance connect endpoint ID '{endpoint_id[:64]}' is malformed",
        )


def _settings(query: Query, before: EndpointSettings) -> EndpointSettings:
    groups = tuple(query.texts("SecurityGroupId"))
    if len(groups) > 16:
        raise ServiceError("SecurityGroupsPerInterfaceLimitExceeded", "An endpoint has at most 16 security groups")
    address_type = query.text("IpAddressType", before.ip_address_type)
    if address_type not in _ADDRESS_TYPES:
        raise ServiceError("InvalidParameterValue", f"IpAddressType is not one of {', '.join(_ADDRESS_TYPES)}")
    preserve = query.flag("PreserveClientIp", before.preserve_client_ip)
    return EndpointSettings(groups or before.security_groups, preserve, address_type)


def _tags(query: Query) -> Dict[str, str]:
    tags: Dict[str, str] = {}
    for specification in query.structures("TagSpecification"):
        kind = query.text(f"{specification}.ResourceType")
        if kind != _RESOURCE_TYPE:
            raise ServiceError("InvalidParameterValue", f"'{kind[:64]}' is not a valid taggable resource type here")
        for prefix in query.structures(f"{specification}.Tag"):
            key, value = query.text(f"{prefix}.Key"), query.text(f"{prefix}.Value", "")
            if not 1 <= len(key) <= _MAX_KEY or len(value) > _MAX_VALUE or key.lower().startswith("aws:"):
                raise ServiceError("InvalidParameterValue", f"The tag '{key[:64]}' is invalid")
            if key in tags:
                raise ServiceError("InvalidParameterValue", f"The tag key '{key[:64]}' is given twice")
            tags[key] = value
    if len(tags) > _MAX_TAGS:
        raise ServiceError("TagLimitExceeded", f"A resource has at most {_MAX_TAGS} tags")
    return tags


def _endpoint(region: Region, endpoint: Endpoint, now: float) -> Members:
    settings = endpoint.settings
    groups: List[str] = list(settings.security_groups)
    return {
        "ownerId": region.account,
        "instanceConnectEndpointId": endpoint.id,
        "instanceConnectEndpointArn": endpoint.arn,
        "state": endpoint.state(now).value,
        "stateMessage": "",
        "dnsName": endpoint.dns_name,
        "fipsDnsName": endpoint.fips_dns_name,
        "publicDnsNames": {
            "ipv4": {"dnsName": endpoint.dns_name, "fipsDnsName": endpoint.fips_dns_name},
            "dualstack": {"dnsName": endpoint.dns_name, "fipsDnsName": endpoint.fips_dns_name},
        },
        "networkInterfaceIdSet": [endpoint.network_interface_id],
        "vpcId": endpoint.vpc_id,
        "availabilityZone": endpoint.zone,
        "createdAt": time_of(endpoint.created),
        "subnetId": endpoint.subnet_id,
        "preserveClientIp": settings.preserve_client_ip,
        "securityGroupIdSet": groups,
        "tagSet": filters.tag_set(endpoint.tags),
        "ipAddressType": settings.ip_address_type,
    }
