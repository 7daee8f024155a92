# SPDX-License-Identifier: Apache-2.0
"""Whether a tunnel may be opened, and where to.

Steps, in this order; the first that fails refuses: 1. the request has the parameters of OpenTunnel, each once; 2. it is
for the endpoint of the host name; 3. it is signed by an access key, for this Region, and not expired; 4. the
parameters are valid; 5. the caller is of the endpoint's account, and its policies allow ec2-instance-connect:OpenTunnel
on the endpoint; 6. the port is one that the endpoint opens; 7. the address belongs to the endpoint's VPC; 8. the
endpoint is complete and has fewer than 20 tunnels. A tunnel that passes is opened, and then 9. ends if there is no
running instance at the address, if it is not of the endpoint's IpAddressType, or if the security groups do not allow
the connection.

Source: EC2 User Guide, "EC2 Instance Connect Endpoint"; the parameters are those that the AWS CLI sends.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Tuple

from ..cloud import access
from ..cloud.authentication import Failure, Unauthenticated, authenticate, read
from ..cloud.cloud import Cloud
from ..cloud.endpoint import MAX_TUNNELS, Endpoint
from ..cloud.machine import RDP, SSH, State
from ..cloud.network import Address, Interface, allows_egress, allows_ingress
from ..cloud.principals import Credentials
from ..cloud.region import Region
from ..iam.sigv4 import HttpRequest, SignatureError, query_pairs

SERVICE = "ec2-instance-connect"
ACTION = f"{SERVICE}:OpenTunnel"
PATH = "/openTunnel"
MAX_DURATION = 3600  # seconds
_OWN = ("instanceConnectEndpointId", "remotePort", "privateIpAddress", "maxTunnelDuration")
_LABEL = re.compile(r"ip-([0-9]{1,3}(?:-[0-9]{1,3}){3})")  # of a private DNS name
_VERSIONS = {"ipv4": (4,), "ipv6": (6,), "dualstack": (4, 6)}


class TunnelRefused(Exception):
    """A tunnel is refused: an HTTP status, and the error that the client shows to its user.

    `access_key_id` is that of a request that is not authenticated, if it names one.
    """

    def __init__(self, status: int, code: str, message: str, access_key_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.access_key_id = access_key_id


class Unreachable(Exception):
    """The target of a tunnel cannot be reached; the message says why, for the trail."""


@dataclass(frozen=True)
class Parameters:
    """The parameters as they were sent, in the order of the trail's events. `values` has no others."""

    values: Mapping[str, str]

    def get(self, name: str) -> str:
        """A parameter; empty if it was not sent."""
        return self.values.get(name, "")


@dataclass(frozen=True)
class Tunnel:
    """A tunnel that may be opened; `duration` is in seconds."""

    address: Address
    port: int
    duration: int


_AUTHENTICATION_CODES = {
    Failure.MISSING: "MissingAuthenticationTokenException",
    Failure.INCOMPLETE: "IncompleteSignatureException",
    Failure.WRONG_SCOPE: "InvalidSignatureException",
    Failure.UNKNOWN_KEY: "UnrecognizedClientException",
    Failure.INVALID_TOKEN: "UnrecognizedClientException",
    Failure.EXPIRED_TOKEN: "ExpiredTokenException",
    Failure.EXPIRED: "ExpiredTokenException",
    Failure.MISMATCH: "InvalidSignatureException",
}


def _invalid(message: str) -> TunnelRefused:
    return TunnelRefused(400, "InvalidParameter", message)


def parameters(request: HttpRequest) -> Parameters:
    """Step 1. Raises TunnelRefused."""
    if request.method != "GET" or request.path != PATH:
        raise TunnelRefused(404, "UnknownOperationException", f"The endpoint answers GET {PATH} only.")
    found: Dict[str, str] = {}
    try:
        pairs = query_pairs(request.query)
    except SignatureError as error:
        raise _invalid(error.message) from None
    for name, value in pairs:
        if name in found:
            raise _invalid(f"The parameter {name[:64]} is given twice.")
        if name not in _OWN and not name.startswith("X-Amz-"):
            raise _invalid(f"The parameter {name[:64]} is not known.")
        found[name] = value
    return Parameters({name: found[name] for name in _OWN if name in found})


def identify(
    cloud: Cloud, request: HttpRequest, region: Region, endpoint: Endpoint, given: Parameters, now: float
) -> Credentials:
    """Steps 2 and 3: whose request it is. Raises TunnelRefused."""
    if given.get("instanceConnectEndpointId") != endpoint.id:
        raise _invalid("The specified InstanceConnectEndpointId is not that of the host name.")
    try:
        signature = read(request)
        if not signature.presigned:
            raise Unauthenticated(Failure.MISSING, "The URL is not signed.", signature.access_key_id)
        return authenticate(cloud.directory, request, signature, now=now, regions=(region.name,), service=SERVICE)
    except Unauthenticated as problem:
        code = _AUTHENTICATION_CODES[problem.failure]
        raise TunnelRefused(403, code, problem.message, problem.access_key_id) from None


def admit(
    cloud: Cloud, region: Region, endpoint: Endpoint, caller: Credentials, origin: access.Origin, given: Parameters
) -> Tunnel:
    """Steps 4 to 8. Raises TunnelRefused."""
    tunnel = _parse(given, region.private_domain)
    _authorize(region, endpoint, caller, origin, tunnel)
    if tunnel.port not in (SSH, RDP) and not cloud.other_ports:
        raise _invalid(
            "The specified RemotePort is not valid. Specify either 22 or 3389 as the RemotePort and retry your request."
        )
    if not region.vpcs[endpoint.vpc_id].has(tunnel.address):
        raise _invalid(f"The specified PrivateIpAddress does not belong to the VPC {endpoint.vpc_id}.")
    state = endpoint.state(origin.now)
    if not state.usable:
        raise TunnelRefused(400, "IncorrectState", f"The instance connect endpoint is in state {state.value}.")
    if len(endpoint.tunnels) >= MAX_TUNNELS:
        raise TunnelRefused(
            400, "ConnectionLimitExceeded", f"The instance connect endpoint has {MAX_TUNNELS} connections already."
        )
    return tunnel


def _parse(given: Parameters, domain: str) -> Tunnel:
    port = given.get("remotePort")
    if not re.fullmatch("[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise _invalid("The specified RemotePort is not valid.")
    duration = given.values.get("maxTunnelDuration", str(MAX_DURATION))
    if not re.fullmatch("[1-9][0-9]{0,3}", duration) or int(duration) > MAX_DURATION:
        raise _invalid(f"The specified MaxTunnelDuration is not valid. Specify 1 to {MAX_DURATION} seconds.")
    text = given.get("privateIpAddress")
    label, _, rest = text.partition(".")
    name = _LABEL.fullmatch(label) if rest == domain else None
    try:
        address = ipaddress.ip_address(name.group(1).replace("-", ".") if name else text)
        if "%" in text:  # a zone, which only the sender's machine knows (RFC 4007)
            raise ValueError
    except ValueError:
        raise _invalid("The specified PrivateIpAddress is not valid.") from None
    return Tunnel(address, int(port), int(duration))


def _authorize(region: Region, endpoint: Endpoint, caller: Credentials, origin: access.Origin, tunnel: Tunnel) -> None:
    keys: Dict[str, str] = {
        f"{SERVICE}:remotePort": str(tunnel.port),
        f"{SERVICE}:privateIpAddress": str(tunnel.address),
        f"{SERVICE}:maxTunnelDuration": str(tunnel.duration),
        **endpoint.tag_keys(),
    }
    judged = access.request(caller.principal, origin, ACTION, endpoint.arn, keys)
    try:
        if caller.principal.account.id != region.account:
            raise access.AccessDenied(
                f"User: {caller.principal.arn} is not authorized to perform: {ACTION} on resource: {endpoint.arn} "
                f"because no resource-based policy allows the {ACTION} action"
            )
        access.require(caller.principal, judged)
    except access.AccessDenied as denied:
        raise TunnelRefused(403, "AccessDeniedException", str(denied)) from None


def reach(region: Region, endpoint: Endpoint, tunnel: Tunnel, client: str) -> Tuple[Tuple[str, int], Optional[str]]:
    """Step 9: where the target's server listens, and the address to connect from, if it is set. Raises Unreachable."""
    address = str(tunnel.address)
    instance = region.instance_at(endpoint.vpc_id, address)
    if instance is None:
        raise Unreachable(f"no instance has the address {address}")
    if instance.machine.state is not State.RUNNING:
        raise Unreachable(f"{instance.metadata.instance_id} is {instance.machine.state.value}")
    target = region.interface(instance, address)
    version, address_type = target.address.version, endpoint.settings.ip_address_type
    if version not in _VERSIONS[address_type]:
        raise Unreachable(f"{endpoint.id} does not reach {address}: its IpAddressType is {address_type}")
    own = region.endpoint_interface(endpoint, version)
    if not allows_egress(own, target, tunnel.port):
        raise Unreachable(f"no security group of {endpoint.id} allows connections to {address} port {tunnel.port}")
    source = own
    if endpoint.settings.preserve_client_ip:
        source = Interface(ipaddress.ip_address(client), own.groups)
        if source.address.version != 4 or target.address.version != 4:
            raise Unreachable("client IP preservation is for IPv4 only")
    if not allows_ingress(source, target, tunnel.port):
        instance_id = instance.metadata.instance_id
        raise Unreachable(
            f"no security group of {instance_id} allows connections from {source.address} to port {tunnel.port}"
        )
    preserved = client if endpoint.settings.preserve_client_ip else None
    return instance.machine.server(address, tunnel.port), preserved
