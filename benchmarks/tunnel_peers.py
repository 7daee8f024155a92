# SPDX-License-Identifier: Apache-2.0
"""What tunnels are measured with: `target` at their far end, and `relay`, a TLS relay without WebSocket.

`python -m benchmarks.tunnel_peers target` and `... relay TARGET_PORT CERTIFICATES` print their port and run until they
are terminated. A client sends a line to the target, `DIRECTION SIZE`, in which a digest may follow: `up 1000 digest`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import sys
import threading

_READ = 256 * 1024  # bytes
PATTERN = hashlib.shake_128(b"tunnel").digest(1 << 20)


def serve_target() -> None:
    """A server with a thread for each connection, which costs less than the relays."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        line = b""
        while not line.endswith(b"\n"):
            line += connection.recv(1)
        direction, size, *digest = line.split()
        if direction == b"down":
            _send(connection, int(size))
        elif direction == b"up":
            connection.sendall(_receive(connection, int(size), digest != []))
        else:  # stall
            threading.Event().wait()


def _send(connection: socket.socket, size: int) -> None:
    for at in range(0, size, len(PATTERN)):
        connection.sendall(memoryview(PATTERN)[: min(len(PATTERN), size - at)])
    connection.recv(1)  # until the client has it all


def _receive(connection: socket.socket, left: int, digest: bool) -> bytes:
    """Returns the digest of `left` bytes, or ok."""
    found = hashlib.sha256()
    space = bytearray(_READ)
    while left:
        count = connection.recv_into(space, min(left, len(space)))
        if not count:
            return b"short\n"
        if digest:
            found.update(memoryview(space)[:count])
        left -= count
    return found.hexdigest().encode() + b"\n" if digest else b"ok\n"


async def serve_relay(target_port: int, certificates: str) -> None:
    """A plain relay as asyncio's streams make it: what TLS and TCP cost without the WebSocket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", target_port, limit=_READ)
        await asyncio.wait(
            [asyncio.ensure_future(_copy(reader, to_writer)), asyncio.ensure_future(_copy(to_reader, writer))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        to_writer.close()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context, limit=_READ)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_READ):
            writer.write(data)
            await writer.drain()


if __name__ == "__main__":
    if sys.argv[1] == "target":
        serve_target()
    else:
        asyncio.run(serve_relay(int(sys.argv[2]), sys.argv[3]))
