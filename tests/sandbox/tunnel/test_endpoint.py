# SPDX-License-Identifier: Apache-2.0
"""The endpoint as an HTTP server: handshakes in every shape, host names, the number of tunnels, and their lives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import Callable, List, Tuple

import aiohttp
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from eic_sandbox.cloud.machine import State
from testbed.tunnel import Refused

from ..fleet import ANSWER, ENDPOINT, FOREIGN_ENDPOINT, GREETING, OTHER_ENDPOINT, REGION, Fleet, run
from .handshake import UPGRADE, Headers, changed, presigned, request, without

TUNNEL = {"Effect": "Allow", "Action": "ec2-instance-connect:OpenTunnel", "Resource": "*"}
LIMIT = 20


def code(answer: Tuple[int, str]) -> Tuple[int, str]:
    return answer[0], json.loads(answer[1])["ErrorCode"]


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


async def _open_all(
    world: Fleet, stack: contextlib.AsyncExitStack, count: int
) -> List[aiohttp.ClientWebSocketResponse]:
    opened = [await stack.enter_async_context(world.connect(world.url())) for _ in range(count)]
    for one in opened:
        assert (await one.receive(timeout=ANSWER)).data == GREETING
    return opened


async def _until(condition: Callable[[], bool]) -> None:
    """Waits for what other threads do; a test that waits in vain fails."""

    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), ANSWER)


def test_the_twenty_first_tunnel_of_an_endpoint_is_refused_until_one_ends(world: Fleet) -> None:
    async def twenty_and_one() -> None:
        async with contextlib.AsyncExitStack() as stack:
            opened = await _open_all(world, stack, LIMIT)
            with pytest.raises(Refused) as refused:
                await stack.enter_async_context(world.connect(world.url()))
            assert code((refused.value.status, refused.value.body)) == (400, "ConnectionLimitExceeded")
            other = world.url(endpoint=OTHER_ENDPOINT, address="10.1.0.9")
            async with world.connect(other) as elsewhere:  # the limit of another endpoint is its own
                assert (await elsewhere.receive(timeout=ANSWER)).type is aiohttp.WSMsgType.CLOSE
            await opened[0].close()
            await _until(lambda: len(world.endpoint.tunnels) < LIMIT)
            await _open_all(world, stack, 1)
        await _until(lambda: not world.endpoint.tunnels)

    run(twenty_and_one())
    assert len(world.target.peers) == LIMIT + 1


def test_handshakes_at_the_same_time_do_not_pass_the_limit(world: Fleet) -> None:
    async def attempt(release: asyncio.Event) -> bool:
        try:
            async with world.connect(world.url()) as tunnel:
                await tunnel.receive(timeout=ANSWER)
                await release.wait()
                return True
        except Refused:
            return False

    async def all_at_once() -> List[bool]:
        release = asyncio.Event()
        attempts = [asyncio.ensure_future(attempt(release)) for _ in range(LIMIT + 10)]
        await _until(lambda: sum(event["eventName"] == "OpenTunnel" for event in world.events) == len(attempts))
        assert len(world.endpoint.tunnels) == LIMIT
        release.set()
        return list(await asyncio.gather(*attempts))

    assert sum(run(all_at_once())) == LIMIT


CHANGES: List[Tuple[str, Callable[[Fleet], object], Tuple[int, str]]] = [
    ("a policy that is detached", lambda world: world.sandbox.cloud.directory.detach("alice", "test"),
     (403, "AccessDeniedException")),
    ("a policy that denies", lambda world: world.attach("alice", {**TUNNEL, "Effect": "Deny"}, name="deny"),
     (403, "AccessDeniedException")),
    ("an endpoint that is deleted",
     lambda world: world.client("ec2").delete_instance_connect_endpoint(InstanceConnectEndpointId=ENDPOINT),
     (400, "IncorrectState")),
    ("an instance that is stopped", lambda world: setattr(world.instance().machine, "state", State.STOPPED),
     (1011, "Unable to connect to target")),
    ("a group that is removed", lambda world: setattr(world.instance().machine, "security_groups", ()),
     (1011, "Unable to connect to target")),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_an_open_tunnel_goes_on_after_a_change_that_refuses_new_ones(
    world: Fleet, change: Callable[[Fleet], object], expected: Tuple[int, str]
) -> None:
    world.attach("alice", TUNNEL)

    async def changed_meanwhile() -> None:
        url = world.url("alice")
        async with world.connect(url) as tunnel:
            assert (await tunnel.receive(timeout=ANSWER)).data == GREETING
            await asyncio.to_thread(change, world)
            status, body = await world._open(url, None)
            assert ((status, body) if status > 1000 else code((status, body))) == expected
            world.target.say(b"still here")
            assert (await tunnel.receive(timeout=ANSWER)).data == b"still here"

    run(changed_meanwhile())
    assert len(world.target.peers) == 1


def test_a_tunnel_outlives_the_session_that_opened_it(world: Fleet) -> None:
    role = world.sandbox.cloud.directory.find("Operators")
    world.attach("Operators", TUNNEL)
    world.client("sts").assume_role(RoleArn=role.arn, RoleSessionName="s1", DurationSeconds=900)

    async def expired_meanwhile() -> None:
        async with world.connect(world.url("Operators/s1")) as tunnel:
            assert (await tunnel.receive(timeout=ANSWER)).data == GREETING
            world.clock.ahead = 905
            assert (await world._open(world.url("Operators/s1"), None))[0] == 403
            world.target.say(b"still here")
            assert (await tunnel.receive(timeout=ANSWER)).data == b"still here"

    run(expired_meanwhile())


def test_the_cut_at_the_maximum_duration_has_its_reason(world: Fleet) -> None:
    async def cut() -> Tuple[int, str]:
        async with world.connect(world.url(max_duration=1)) as tunnel:
            assert (await tunnel.receive(timeout=ANSWER)).data == GREETING
            message = await tunnel.receive(timeout=ANSWER)
            return message.data, message.extra or ""

    assert run(cut()) == (1001, "The tunnel reached its maximum duration")


def test_a_client_that_leaves_while_its_target_is_connected_leaves_no_tunnel(world: Fleet) -> None:
    assert request(world, world.url())[0] == 101  # and the connection is aborted

    async def gone() -> None:
        await _until(
            lambda: not world.endpoint.tunnels and any(one["eventName"] == "OpenTunnel" for one in world.events)
        )

    run(gone())
    assert world.target.ended(len(world.target.peers))
