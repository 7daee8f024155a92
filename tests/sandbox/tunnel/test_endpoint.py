# SPDX-License-Identifier: Apache-2.0
"""The endpoint as an HTTP server: handshakes in every shape, host names, the number of tunnels, and their lives."""

from __future__ import annotations

import socket
from typing import Callable

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from ..fleet import ANSWER, GREETING, Fleet, run
from ..fleet_world import ENDPOINT, FOREIGN_ENDPOINT, OTHER_ENDPOINT, REGION
from .handshake import UPGRADE, Headers, changed, code, presigned, request, without


@pytest.mark.parametrize(
    ("headers", "method", "data"),
    [
        (without(UPGRADE, "Upgrade"), "GET", None),
        (without(UPGRADE, "Connection"), "GET", None),
        (without(UPGRADE, "Sec-WebSocket-Key"), "GET", None),
        (without(UPGRADE, "Sec-WebSocket-Version"), "GET", None),
        (changed(UPGRADE, Upgrade="h2c"), "GET", None),
        (changed(UPGRADE, Sec_WebSocket_Version="12"), "GET", None),
        (changed(UPGRADE, Sec_WebSocket_Key="short"), "GET", None),
        (UPGRADE, "GET", b"SSH-2.0-client\r\n"),
        ([*UPGRADE, ("Transfer-Encoding", "chunked")], "GET", b"0\r\n\r\n"),
        ([], "GET", None),
    ],
)
def test_a_request_that_is_no_handshake_without_a_body_is_refused_with_an_http_answer(
    shared_world: Fleet, headers: Headers, method: str, data: bytes
) -> None:
    assert code(request(shared_world, shared_world.url(), headers, method, data)) == (400, "InvalidParameter")
    assert shared_world.target.peers == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_get_opens_a_tunnel(shared_world: Fleet, method: str) -> None:
    assert request(shared_world, shared_world.url(), UPGRADE, method)[0] in (400, 404, 405)
    assert shared_world.target.peers == []


def test_a_signature_in_headers_is_no_presigned_url(shared_world: Fleet) -> None:
    host = shared_world.host(ENDPOINT)
    query = f"instanceConnectEndpointId={ENDPOINT}&remotePort=22&privateIpAddress=10.0.1.0"
    signed = AWSRequest("GET", f"https://{host}/openTunnel?{query}")
    SigV4Auth(shared_world.credentials("admin"), "ec2-instance-connect", REGION).add_auth(signed)
    found = request(shared_world, signed.url, [*UPGRADE, *signed.headers.items()])
    assert code(found) == (403, "MissingAuthenticationTokenException")


def test_a_url_that_is_signed_for_other_headers_too_needs_them(shared_world: Fleet) -> None:
    query = f"instanceConnectEndpointId={ENDPOINT}&remotePort=22&privateIpAddress=10.0.1.3"
    host = shared_world.host(ENDPOINT)
    url = presigned(shared_world, query, {"Host": host, "X-Amz-Own": "value"})
    plain = [*UPGRADE, ("Host", host)]
    assert code(request(shared_world, url, plain)) == (403, "IncompleteSignatureException")
    assert code(request(shared_world, url, [*plain, ("X-Amz-Own", "x")])) == (403, "InvalidSignatureException")
    assert request(shared_world, url, [*plain, ("X-Amz-Own", "value")])[0] == 101


@pytest.mark.parametrize("signed_as_sent", [True, False])
@pytest.mark.parametrize(
    "spell",
    [str.upper, lambda host: f"{host}.", lambda host: f"{host}:8443", lambda host: host.replace(".ec2", ".EC2")],
)
def test_a_host_name_in_another_spelling_is_the_same_endpoint_if_it_was_signed_so(
    shared_world: Fleet, spell: Callable[[str], str], signed_as_sent: bool
) -> None:
    usual = shared_world.host(ENDPOINT)
    host = spell(usual)
    query = f"instanceConnectEndpointId={ENDPOINT}&remotePort=22&privateIpAddress=10.0.1.0"
    url = presigned(shared_world, query, {"Host": host if signed_as_sent else usual}, "bob")
    error = "AccessDeniedException" if signed_as_sent else "InvalidSignatureException"
    assert code(request(shared_world, url, [*UPGRADE, ("Host", host)])) == (403, error)


def test_a_second_host_is_refused_in_any_order(shared_world: Fleet) -> None:
    hosts = [shared_world.host(ENDPOINT), shared_world.host(OTHER_ENDPOINT)]
    url = shared_world.url()
    for first, second in (hosts, hosts[::-1], [hosts[0]] * 2):
        status, _ = request(shared_world, url, [*UPGRADE, ("Host", first), ("Host", second)])
        assert 400 <= status < 500
    assert shared_world.target.peers == []


def test_the_url_of_one_endpoint_opens_nothing_at_another(shared_world: Fleet) -> None:
    for endpoint in (OTHER_ENDPOINT, FOREIGN_ENDPOINT):
        host = shared_world.host(endpoint)
        assert code(request(shared_world, shared_world.url(), [*UPGRADE, ("Host", host)])) == (400, "InvalidParameter")
        own = shared_world.url(endpoint=endpoint, host=shared_world.host(ENDPOINT))
        moved = request(shared_world, own, [*UPGRADE, ("Host", host)])
        assert code(moved) == (403, "InvalidSignatureException")
    assert shared_world.target.peers == []


def test_the_apis_at_the_same_port_open_no_tunnel(shared_world: Fleet) -> None:
    for host in ("ec2-instance-connect.us-east-1.amazonaws.com", "localhost", ""):
        assert request(shared_world, shared_world.url(), [*UPGRADE, ("Host", host)])[0] in (400, 403)
    assert (
        request(shared_world, shared_world.url(), [*UPGRADE, ("Host", "x.ec2-instance-connect-endpoint.y")])[0] == 404
    )
    assert shared_world.target.peers == []


def test_the_fips_name_of_an_endpoint_is_a_name_of_it(shared_world: Fleet) -> None:
    assert shared_world.open(shared_world.url(host=shared_world.endpoint.fips_dns_name)) == (200, GREETING.decode())


def test_an_opened_tunnel_has_a_request_id_and_the_trail_the_same(world: Fleet) -> None:
    async def opened() -> str:
        async with world.connect(world.url()) as tunnel:
            await tunnel.receive(timeout=ANSWER)
            assert tunnel._response.headers["X-Amzn-RequestId"]
            assert "Sec-WebSocket-Extensions" not in tunnel._response.headers
            return tunnel._response.headers["X-Amzn-RequestId"]

    assert run(opened()) == world.events[-1]["requestID"]


def test_a_target_that_refuses_the_connection_closes_the_tunnel_with_the_reason(world: Fleet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = unused.getsockname()
    world.instance().machine.servers = {22: address}
    assert world.open(world.url()) == (1011, "Unable to connect to target")
    assert world.events[-1]["errorCode"] == "TargetUnreachable"
    assert "Connection refused" in world.events[-1]["errorMessage"]
