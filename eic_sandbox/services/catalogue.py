# SPDX-License-Identifier: Apache-2.0
"""The services: their names, operations, protocols, and what they call the errors of authentication."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Dict, Mapping, Tuple

from ..cloud.authentication import Failure
from ..iam.document import Json
from ..trail.trail import Trail
from . import cloudtrail, ec2, ec2_endpoints, instance_connect, sts
from .call import Operation
from .query_protocol import Members, Query

JsonOperation = Operation[Mapping[str, Json], Mapping[str, Json]]
QueryOperation = Operation[Query, Members]


class Protocol(enum.Enum):
    """How a service reads requests and writes answers."""

    JSON = "json"
    EC2 = "ec2"
    STS = "query"


@dataclass(frozen=True)
class Service:
    """`name` is that in the scope of signatures, and begins the actions of IAM and the event source of the trail.

    `failures` are the names and HTTP statuses of its errors of authentication, `denied` of its error of authorisation.
    """

    name: str
    protocol: Protocol
    failures: Mapping[Failure, Tuple[str, int]]
    denied: Tuple[str, int]
    json_operations: Mapping[str, JsonOperation]
    query_operations: Mapping[str, QueryOperation]
    targets: Tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The event source in the trail."""
        return f"{self.name}.amazonaws.com"


_JSON_FAILURES = {
    Failure.MISSING: ("MissingAuthenticationTokenException", 400),
    Failure.INCOMPLETE: ("IncompleteSignatureException", 400),
    Failure.WRONG_SCOPE: ("InvalidSignatureException", 400),
    Failure.UNKNOWN_KEY: ("UnrecognizedClientException", 400),
    Failure.INVALID_TOKEN: ("UnrecognizedClientException", 400),
    Failure.EXPIRED_TOKEN: ("ExpiredTokenException", 400),
    Failure.EXPIRED: ("InvalidSignatureException", 400),
    Failure.MISMATCH: ("InvalidSignatureException", 400),
}
_EC2_FAILURES = {
    Failure.MISSING: ("MissingAuthenticationToken", 403),
    Failure.INCOMPLETE: ("IncompleteSignature", 400),
    Failure.WRONG_SCOPE: ("AuthFailure", 401),
    Failure.UNKNOWN_KEY: ("AuthFailure", 401),
    Failure.INVALID_TOKEN: ("AuthFailure", 401),
    Failure.EXPIRED_TOKEN: ("RequestExpired", 400),
    Failure.EXPIRED: ("RequestExpired", 400),
    Failure.MISMATCH: ("AuthFailure", 401),
}
_STS_FAILURES = {
    Failure.MISSING: ("MissingAuthenticationToken", 403),
    Failure.INCOMPLETE: ("IncompleteSignature", 400),
    Failure.WRONG_SCOPE: ("SignatureDoesNotMatch", 403),
    Failure.UNKNOWN_KEY: ("InvalidClientTokenId", 403),
    Failure.INVALID_TOKEN: ("InvalidClientTokenId", 403),
    Failure.EXPIRED_TOKEN: ("ExpiredToken", 403),
    Failure.EXPIRED: ("SignatureDoesNotMatch", 403),
    Failure.MISMATCH: ("SignatureDoesNotMatch", 403),
}

_EC2_OPERATIONS: Mapping[str, QueryOperation] = {
    "DescribeInstances": Operation(ec2.describe_instances),
    "DescribeVpcs": Operation(ec2.describe_vpcs),
    "DescribeSubnets": Operation(ec2.describe_subnets),
    "CreateInstanceConnectEndpoint": Operation(ec2_endpoints.create, read_only=False),
    "DescribeInstanceConnectEndpoints": Operation(ec2_endpoints.describe),
    "ModifyInstanceConnectEndpoint": Operation(ec2_endpoints.modify, read_only=False),
    "DeleteInstanceConnectEndpoint": Operation(ec2_endpoints.delete, read_only=False),
}
_STS_OPERATIONS: Mapping[str, QueryOperation] = {
    "GetCallerIdentity": Operation(sts.get_caller_identity),
    "AssumeRole": Operation(sts.assume_role),
}


def services(trail: Trail) -> Dict[str, Service]:
    """Every service, by name."""
    json_denied = ("AccessDeniedException", 400)
    made = (
        Service("ec2", Protocol.EC2, _EC2_FAILURES, ("UnauthorizedOperation", 403), {}, _EC2_OPERATIONS),
        Service("sts", Protocol.STS, _STS_FAILURES, ("AccessDenied", 403), {}, _STS_OPERATIONS),
        Service(
            instance_connect.NAME, Protocol.JSON, _JSON_FAILURES, json_denied, instance_connect.OPERATIONS, {},
            (instance_connect.TARGET,),
        ),
        Service(
            cloudtrail.NAME, Protocol.JSON, _JSON_FAILURES, json_denied, cloudtrail.operations(trail), {},
            cloudtrail.TARGETS,
        ),
    )  # fmt: skip
    return {service.name: service for service in made}
