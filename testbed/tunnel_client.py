# SPDX-License-Identifier: Apache-2.0
"""A client for the tunnel of an EC2 Instance Connect Endpoint, as an OpenSSH ProxyCommand or as a TCP listener.

It opens a tunnel as `aws ec2-instance-connect open-tunnel` does, which Debian 12's AWS CLI lacks. Unlike it, it ends
when a connection fails, and can connect to any address and port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import stat
import sys
from typing import AsyncContextManager, Callable, Optional, Sequence, Tuple

import aiohttp
from botocore.credentials import Credentials

from .tunnel import FRAME, Address, Closed, Read, Refused, Target, TunnelError, Write, connect, presigned, relay

__all__ = ["Target", "connect", "listen", "main", "presigned", "relay"]

OpenTunnel = Callable[[], AsyncContextManager[aiohttp.ClientWebSocketResponse]]


async def _standard_streams() -> Tuple[Read, Write]:
    """Standard input and output. Reading also ends when the reader of standard output has gone."""
    if stat.S_ISSOCK(os.fstat(1).st_mode) and os.path.sameopenfile(0, 1):
        # As a pipe that is only written to, asyncio would take each byte that arrives for its end.
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=os.dup(0)))
        return lambda: reader.read(FRAME), _writing(writer)
    write, closed = await _standard_output()
    if _never_blocks(0):
        return lambda: asyncio.to_thread(os.read, 0, FRAME), write
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(0), "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)

    closed.add_done_callback(lambda _: reader.set_exception(BrokenPipeError()))
    return lambda: reader.read(FRAME), write


async def _standard_output() -> Tuple[Write, asyncio.Future[None]]:
    """How to write to it, and what is done when nothing reads it any more."""
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    if _never_blocks(1):

        async def write(data: bytes) -> None:
            view = memoryview(data)
            while view:
                view = view[await asyncio.to_thread(pipe.write, view) :]

        return write, loop.create_future()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), pipe
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    closed = asyncio.ensure_future(writer.wait_closed())
    closed.add_done_callback(lambda done: None if done.cancelled() else done.exception())  # else asyncio reports it
    return _writing(writer), closed


def _never_blocks(descriptor: int) -> bool:
    """Whether it is a file, or a device such as /dev/null: asyncio cannot wait for these."""
    mode = os.fstat(descriptor).st_mode
    return not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor))


def _writing(writer: asyncio.StreamWriter) -> Write:
    writer.transport.set_write_buffer_limits(0)  # so that drain() returns when all is written

    async def write(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    return write


async def listen(open_tunnel: OpenTunnel, address: Address, report: Callable[[str], None]) -> None:
    """Accepts TCP connections, a tunnel for each, until it is cancelled.

    `report` gets the address first, and the text of each TunnelError; that ends its connection only.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with open_tunnel() as tunnel:
                await relay(tunnel, lambda: reader.read(FRAME), _writing(writer))
        except TunnelError as error:
            report(str(error))
        finally:
            writer.close()

    server = await asyncio.start_server(serve, *address)
    async with server:
        report("listening on %s:%d" % server.sockets[0].getsockname()[:2])
        await server.serve_forever()


def _report(text: str) -> None:
    with contextlib.suppress(OSError):  # nothing reads standard error
        print(text, file=sys.stderr, flush=True)


async def _run(arguments: argparse.Namespace) -> None:
    target = Target(
        arguments.url,
        arguments.endpoint_id,
        arguments.address,
        arguments.port,
        arguments.region,
        arguments.max_duration,
    )
    credentials = Credentials(
        os.environ["AWS_ACCESS_KEY_ID"],
        os.environ["AWS_SECRET_ACCESS_KEY"],
        os.environ.get("AWS_SESSION_TOKEN") or None,
    )

    def open_tunnel() -> AsyncContextManager[aiohttp.ClientWebSocketResponse]:
        url = presigned(target, credentials)
        return connect(url, ca=arguments.ca, address=arguments.connect, source=arguments.source)

    if arguments.listen:
        await listen(open_tunnel, arguments.listen, _report)
    async with open_tunnel() as tunnel:
        await relay(tunnel, *await _standard_streams())


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Returns 0 after a close with code 1000 or the end of standard input, 255 for a refusal or another close."""
    parser = argparse.ArgumentParser(prog="python -m testbed.tunnel_client", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--url", required=True, help="wss://NAME:PORT of the endpoint")
    parser.add_argument("--connect", type=_address, metavar="ADDRESS:PORT", help="where the endpoint listens")
    parser.add_argument("--endpoint-id", required=True)
    parser.add_argument("--address", required=True, help="private address of the instance")
    parser.add_argument("--port", type=int, default=22)
    parser.add_argument("--region", required=True)
    parser.add_argument("--ca", metavar="FILE", help="trusted certificates (default: the system's)")
    parser.add_argument("--max-duration", type=int, metavar="SECONDS")
    parser.add_argument("--source", metavar="ADDRESS", help="local address")
    parser.add_argument("--listen", type=_address, metavar="ADDRESS:PORT", help="instead of standard input and output")
    arguments = parser.parse_args(argv)
    missing = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not os.environ.get(name)]
    if missing:
        parser.error(f"{missing[0]} is not set")
    try:
        asyncio.run(_run(arguments))
    except (Refused, Closed) as error:
        _report(error.body or str(error) if isinstance(error, Refused) else error.reason or str(error))
        return 255
    except (TunnelError, OSError) as error:
        _report(str(error))
        return 255
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
