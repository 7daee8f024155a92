# SPDX-License-Identifier: Apache-2.0
"""Tunnels as the testbed opens them: testbed/tunnel.py."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import List, Optional, Tuple

import pytest
from aiohttp import web

from eic_sandbox.iam.sigv4 import Signature, query_pairs
from testbed.tunnel import Refused, Target, TunnelError, connect, presigned, relay

from .tunnel_server import (
    CREDENTIALS,
    DATA,
    LIMIT,
    NAME,
    REGION,
    certificate,
    echo,
    opened,
    serving,
    signature_of,
    target,
)


def test_the_parameters_are_in_the_order_of_the_aws_cli() -> None:
    url = presigned(Target(f"wss://{NAME}", "eice-1", "10.0.1.5", 3389, REGION, 3600), CREDENTIALS)
    start, _, query = url.partition("?")
    assert start == f"wss://{NAME}/openTunnel"
    pairs = query_pairs(query)
    assert pairs[:5] == (
        ("instanceConnectEndpointId", "eice-1"),
        ("remotePort", "3389"),
        ("privateIpAddress", "10.0.1.5"),
        ("maxTunnelDuration", "3600"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
    )
    assert [name for name, _ in pairs[5:]] == [
        f"X-Amz-{name}" for name in ("Credential", "Date", "Expires", "SignedHeaders", "Security-Token", "Signature")
    ]
    assert ("X-Amz-Expires", "60") in pairs
    assert "maxTunnelDuration" not in presigned(target(f"wss://{NAME}"), CREDENTIALS)


def test_a_tunnel_over_tls_is_signed_and_carries_bytes(tmp_path: Path) -> None:
    tls, ca = certificate(tmp_path, NAME)
    seen: List[Tuple[str, Signature]] = []

    async def verified(request: web.Request) -> web.StreamResponse:
        seen.append((request.headers["Host"], signature_of(request, CREDENTIALS.secret_key, REGION)))
        assert "Origin" not in request.headers
        assert "Sec-WebSocket-Extensions" not in request.headers
        return await echo(request)

    async def run() -> None:
        async with serving(verified, tls) as port:
            for name in (NAME, f"{NAME}:443"):
                url = presigned(target(f"wss://{name}"), CREDENTIALS)
                async with connect(url, ca=ca, address=("127.0.0.1", port)) as tunnel:
                    await tunnel.send_bytes(DATA)
                    assert await tunnel.receive_bytes(timeout=LIMIT) == DATA
            url = presigned(target(f"wss://{NAME}:{port}"), CREDENTIALS)
            async with connect(url, ca=ca, address=("127.0.0.1", port)):
                pass
        assert [host for host, _ in seen] == [NAME, NAME, f"{NAME}:{port}"]
        assert {signature.session_token for _, signature in seen} == {CREDENTIALS.token}

    asyncio.run(run())


def test_an_endpoint_whose_certificate_is_not_trusted_is_refused(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path, NAME)

    async def run() -> None:
        async with serving(echo, tls) as port:
            with pytest.raises(TunnelError, match="certificate verify failed"):
                async with connect(presigned(target(f"wss://{NAME}"), CREDENTIALS), address=("127.0.0.1", port)):
                    pass

    asyncio.run(run())


def test_the_body_of_a_refusal_is_in_the_error_and_no_redirect_is_followed() -> None:
    async def redirect(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, text="elsewhere", headers={"Location": "/other"})

    async def run() -> Refused:
        async with serving(redirect) as port:
            with pytest.raises(Refused) as refused:
                async with connect(presigned(target(f"ws://127.0.0.1:{port}"), CREDENTIALS)):
                    pass
            return refused.value

    refused = asyncio.run(run())
    assert (refused.status, refused.body) == (302, "elsewhere")


def test_what_the_server_sends_before_it_closes_is_written_before_the_relay_ends() -> None:
    written: List[bytes] = []

    async def parting(request: web.Request) -> web.StreamResponse:
        tunnel = await opened(request)
        await tunnel.send_bytes(b"a" * (1 << 20))
        await tunnel.close(code=1000)
        return tunnel

    async def never() -> bytes:
        await asyncio.Event().wait()
        return b""

    async def write(data: bytes) -> None:
        await asyncio.sleep(0)
        written.append(data)

    async def run() -> None:
        async with (
            serving(parting) as port,
            connect(presigned(target(f"ws://127.0.0.1:{port}"), CREDENTIALS)) as tunnel,
        ):
            await asyncio.wait_for(relay(tunnel, never, write), LIMIT)

    asyncio.run(run())
    assert b"".join(written) == b"a" * (1 << 20)


@pytest.mark.parametrize(
    ("host", "ca", "message"),
    [
        ("127.0.0.1", None, "leave --connect out"),
        ("[::1]", None, "leave --connect out"),
        (NAME, "/does/not/exist", "/does/not/exist: no certificates can be read"),
        (NAME, "/dev/null", "/dev/null: no certificates can be read"),
    ],
)
def test_a_connection_that_cannot_be_made_as_given_is_an_error(host: str, ca: Optional[str], message: str) -> None:
    async def run() -> None:
        async with connect(presigned(target(f"wss://{host}"), CREDENTIALS), ca=ca, address=("127.0.0.1", 1)):
            pass

    with pytest.raises(TunnelError, match=message):
        asyncio.run(run())
