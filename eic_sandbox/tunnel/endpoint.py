# SPDX-License-Identifier: Apache-2.0
"""EC2 Instance Connect Endpoints over TLS: the WebSocket handshake, the tunnel, and its event in the trail.

Requests for other host names go to the APIs.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from dataclasses import dataclass, replace
from typing import Callable, Dict, Optional, Set

from aiohttp import web

from ..cloud.cloud import Cloud
from ..cloud.endpoint import Endpoint
from ..cloud.region import Region
from ..services import http
from ..services.gateway import MAX_BODY, Api
from ..trail.event import Attempt, Outcome, event
from ..trail.trail import Trail
from . import admission
from .admission import Tunnel, TunnelRefused, Unreachable
from .relay import relay
from .target import CannotConnect, Target, connect
from .websocket import GONE, new_websocket

UNREACHABLE = "Unable to connect to target"
_MARK = ".ec2-instance-connect-endpoint."
_CONNECT_TIMEOUT = 5.0  # seconds
_INTERNAL_ERROR = 1011  # RFC 6455 section 7.4.1


@dataclass
class _Handshake:
    """A tunnel while it is opened; `attempt` and `outcome` are what the trail shows of it."""

    region: Region
    endpoint: Endpoint
    attempt: Attempt
    outcome: Outcome = Outcome()  # noqa: RUF009 - it is immutable


class Tunnels:
    """The application behind TLS: tunnels, and `api` for every other host name."""

    def __init__(self, cloud: Cloud, api: Api, trail: Trail, clock: Callable[[], float] = time.time) -> None:
        self._cloud = cloud
        self._api = api
        self._trail = trail
        self._clock = clock
        self._stops: Set[asyncio.Future[str]] = set()

    def application(self) -> web.Application:
        """One handler for every path."""
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    def stop(self) -> None:
        """End every tunnel."""
        for future in self._stops:
            if not future.done():
                future.set_result("The endpoint is stopping")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        host = _host(request)
        if _MARK not in host:
            return await self._api.handle(request)
        located = self._cloud.endpoint_by_host(host)
        if located is None:
            refused = TunnelRefused(
                404, "ResourceNotFoundException", f"There is no instance connect endpoint {host[:255]}."
            )
            attempt = self._attempt(request, Region("", self._cloud.region_names[0]))
            return await self._refuse(request, refused, attempt, Outcome())
        return await self._open(request, *located)

    async def _open(self, request: web.Request, region: Region, endpoint: Endpoint) -> web.StreamResponse:
        handshake = _Handshake(region, endpoint, self._attempt(request, region))
        request_id = handshake.attempt.request_id
        try:
            tunnel = self._admit(request, handshake)
        except TunnelRefused as refused:
            return await self._refuse(request, refused, handshake.attempt, handshake.outcome)
        endpoint.tunnels.add(request_id)
        try:
            return await self._run(request, handshake, tunnel)
        finally:
            endpoint.tunnels.discard(request_id)

    async def _refuse(
        self, request: web.Request, why: TunnelRefused, attempt: Attempt, outcome: Outcome
    ) -> web.StreamResponse:
        """Record a refusal and answer it: the AWS CLI waits without end for an answer that does not come."""
        attempt = replace(attempt, access_key_id=why.access_key_id)
        self._trail.record(event(attempt, replace(outcome, error_code=why.code, error_message=why.message)))
        answer = web.Response(
            status=why.status,
            text=json.dumps({"ErrorCode": why.code, "Message": why.message}),
            content_type="application/json",
            headers={"X-Amzn-RequestId": attempt.request_id},
        )
        # Before aiohttp 3.9 looks at bytes behind the handshake, which may be no HTTP.
        answer.force_close()
        await answer.prepare(request)
        await answer.write_eof()
        return answer

    def _attempt(self, request: web.Request, region: Region) -> Attempt:
        source = f"{admission.SERVICE}.amazonaws.com"
        return http.attempt(
            request, at=self._clock(), source=source, name="OpenTunnel", region=region.name, account=region.account
        )

    def _admit(self, request: web.Request, handshake: _Handshake) -> Tunnel:
        """Adds to `handshake` what is read of the request, also if it is refused. Raises TunnelRefused."""
        raw, region, endpoint = http.signed_request(request, b""), handshake.region, handshake.endpoint
        if _has_body(request) or not web.WebSocketResponse().can_prepare(request):
            raise TunnelRefused(400, "InvalidParameter", "The request is not a WebSocket handshake.")
        given = admission.parameters(raw)
        handshake.attempt = replace(handshake.attempt, parameters=dict(given.values))
        handshake.outcome = Outcome(resources=[_resource(endpoint)])
        now = handshake.attempt.at
        caller = admission.identify(self._cloud, raw, region, endpoint, given, now)
        handshake.attempt = replace(handshake.attempt, caller=caller)
        origin = http.origin(handshake.attempt, region.name)
        return admission.admit(self._cloud, region, endpoint, caller, origin, given)

    async def _run(self, request: web.Request, handshake: _Handshake, tunnel: Tunnel) -> web.StreamResponse:
        websocket, transport = new_websocket(), request.transport
        websocket.headers["X-Amzn-RequestId"] = handshake.attempt.request_id
        try:
            if transport is None:
                raise ConnectionResetError("the client is gone")
            await websocket.prepare(request)
        except (*GONE, AssertionError):  # aiohttp asserts that there is a connection
            self._fail(handshake, "ClientDisconnected", "the client closed its connection before it had an answer")
            raise
        stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._stops.add(stop)
        try:
            try:
                target = await _connect(handshake, tunnel)
            except (Unreachable, CannotConnect) as problem:
                self._fail(handshake, "TargetUnreachable", str(problem))
                await websocket.close(code=_INTERNAL_ERROR, message=UNREACHABLE.encode())
                return websocket
            self._trail.record(event(handshake.attempt, handshake.outcome))
            await relay(websocket, transport, target, max_duration=tunnel.duration, stop=stop)
        finally:
            self._stops.discard(stop)
        return websocket

    def _fail(self, handshake: _Handshake, code: str, message: str) -> None:
        """Record a tunnel that was granted and does not come about."""
        failed = replace(handshake.outcome, error_code=code, error_message=message)
        self._trail.record(event(handshake.attempt, failed))


def _host(request: web.Request) -> str:
    return request.headers.get("Host", "").partition(":")[0].lower()


def _has_body(request: web.Request) -> bool:
    """Whether a body is announced. The headers count too: behind a handshake, aiohttp may take a body for frames."""
    announced = "Transfer-Encoding" in request.headers or request.headers.get("Content-Length", "0") != "0"
    return announced or request.body_exists


def _resource(endpoint: Endpoint) -> Dict[str, Optional[str]]:
    return {"accountId": endpoint.account, "type": "AWS::EC2::InstanceConnectEndpoint", "ARN": endpoint.arn}


async def _connect(handshake: _Handshake, tunnel: Tunnel) -> Target:
    """Raises Unreachable, CannotConnect."""
    endpoint = handshake.endpoint
    (address, port), preserved = admission.reach(handshake.region, endpoint, tunnel, handshake.attempt.address)
    source = preserved
    if source is None and is_local(str(endpoint.address)):
        source = str(endpoint.address)
    return await connect(address, port, source=source, timeout=_CONNECT_TIMEOUT)


def is_local(address: str) -> bool:
    """Whether the address is one of this machine's own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
