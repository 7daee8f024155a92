# SPDX-License-Identifier: Apache-2.0
"""A server of tunnels for tests of their client; each test decides what it does."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import AsyncIterator, Awaitable, Callable, Optional, Tuple

from aiohttp import WSMsgType, web
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from eic_sandbox.iam import sigv4
from eic_sandbox.iam.sigv4 import HttpRequest, Signature
from testbed.tunnel import Target

NAME = "eice-0123456789abcdef0.01234567.ec2-instance-connect-endpoint.us-west-2.amazonaws.com"
REGION = "us-west-2"
CREDENTIALS = Credentials("AKIAEXAMPLE000000001", "secret/+", "token/+==")
LIMIT = 60.0  # seconds; a client that hangs fails its test then
DATA = bytes(range(256)) * 1000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(handler: Handler, tls: Optional[ssl.SSLContext] = None) -> AsyncIterator[int]:
    """Serves /openTunnel on 127.0.0.1; gives the port."""
    application = web.Application()
    application.router.add_get("/openTunnel", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def opened(request: web.Request) -> web.WebSocketResponse:
    """The WebSocket of a request."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    return socket


async def echo(request: web.Request) -> web.StreamResponse:
    """Sends back what it receives."""
    socket = await opened(request)
    async for message in socket:
        assert message.type is WSMsgType.BINARY
        await socket.send_bytes(message.data)
    return socket


def signature_of(request: web.Request, secret: str, region: str) -> Signature:
    """The verified signature of the request. Raises SignatureError."""
    path, _, query = request.raw_path.partition("?")
    received = HttpRequest(request.method, path, query, list(request.headers.items()), b"")
    signature = sigv4.read(received)
    sigv4.verify(received, signature, secret, now=signature.at, regions=(region,), service="ec2-instance-connect")
    return signature


def certificate(folder: Path, name: str) -> Tuple[ssl.SSLContext, str]:
    """A server's TLS context with a certificate for `name`, and the file of that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "endpoint")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, str(folder / "ca.pem")


def target(url: str) -> Target:
    return Target(url, "eice-0123456789abcdef0", "10.0.1.5", 22, REGION)
